/** The shared half of the three detectors for tensors: compares where each lies with where it is read. */

import type { AlignmentKind, AlignmentMessage } from '../../common/alignment';
import { composeMessage, autoFixStep, openState } from '../composeMessage';
import type { AlignmentFacts } from '../facts';
import { stageName, type TensorPlace } from '../tensorPlaces';

/** One message per place that is or was wrong; places of the same name (a KV pair of each layer) become one with their bytes added up. */
export function reportMisplaced(facts: AlignmentFacts, kind: AlignmentKind, places: readonly TensorPlace[], nameOf: (place: TensorPlace) => string): readonly AlignmentMessage[] {
  const groups = new Map<string, TensorPlace[]>();
  for (const place of places) {
    const isMisplaced = place.tensor.device !== place.consumer;
    if (isMisplaced || place.wanted !== place.consumer) {
      const cause = `${nameOf(place)}@${place.consumer}${isMisplaced ? '' : ' fixed'}`;
      groups.set(cause, [...(groups.get(cause) ?? []), place]);
    }
  }
  return [...groups].map(([cause, group]) => {
    const place = group[0] as TensorPlace;
    const name = nameOf(place);
    const { tensor, consumer, wanted } = place;
    const isFixed = tensor.device === consumer;
    const reader = tensor.readOn === undefined ? stageName(facts, tensor.stageIndex) : 'what reads it';
    const verb = kind === 'kv-cache-on-cpu' ? 'The KV cache' : name;
    const state = isFixed ? 'fixed' : openState(facts);
    const whereas = `${verb} ${isFixed ? 'was to be' : 'is'} on ${wanted === consumer ? tensor.device : wanted}, whereas ${reader} is on ${consumer}.`;
    return composeMessage(facts, {
      kind,
      cause: cause.replace(/ fixed$/, ''),
      message: isFixed ? `${whereas} It is kept on ${consumer}.` : `${whereas} It is copied at every step.`,
      state,
      tensor: name,
      tensorDevice: tensor.device,
      consumerDevice: consumer,
      bytesPerToken: group.reduce((sum, one) => sum + one.tensor.bytesPerToken, 0),
      next: isFixed ? [] : [autoFixStep(`Keep ${kind === 'kv-cache-on-cpu' ? 'the KV cache' : name} on ${consumer}`)],
    });
  });
}
