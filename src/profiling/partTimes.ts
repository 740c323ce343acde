/** Milliseconds per part of the model (embedding, each layer, head) from profiled steps. */

import type { OperatorProfile, PlacedPart, ProfiledNode } from '../common/profile';
import { medianNodeUs } from './nodeTimes';

type PartTimes = Pick<PlacedPart, 'decodeMs' | 'prefillMs' | 'clock'>;

/** @returns the times of a part; empty where nothing was profiled. Medians over the steps of each node, added up. */
export function partTimes(operators: readonly OperatorProfile[]): (part: Pick<PlacedPart, 'part' | 'layer'>) => PartTimes {
  const decode = operators.find(({ kind }) => kind === 'decode');
  const prefill = operators.find(({ kind }) => kind === 'prefill');
  const decodeMs = decode === undefined ? undefined : sumByPart(decode);
  const prefillMs = prefill === undefined ? undefined : sumByPart(prefill);
  const clock = (decode ?? prefill)?.clock;
  return (part) => {
    const key = keyOf(part);
    const [d, p] = [decodeMs?.get(key), prefillMs?.get(key)];
    return { ...(d === undefined ? {} : { decodeMs: d }), ...(p === undefined ? {} : { prefillMs: p }), ...(clock === undefined || (d === undefined && p === undefined) ? {} : { clock }) };
  };
}

/** Which part a node belongs to; nodes that belong to none, such as casts of inputs, count with the end of the model they stand at. */
export function partOfNode({ layer, name }: Pick<ProfiledNode, 'layer' | 'name'>): Pick<PlacedPart, 'part' | 'layer'> {
  if (layer !== undefined) {
    return { part: 'layer', layer };
  }
  return { part: /embed|hidden_in/.test(name) ? 'embedding' : 'head' };
}

function keyOf({ part, layer }: Pick<PlacedPart, 'part' | 'layer'>): string {
  return part === 'layer' ? `layer ${layer}` : part;
}

function sumByPart(profile: OperatorProfile): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  const medians = medianNodeUs(profile);
  profile.nodes.forEach((node, index) => {
    const us = medians[index];
    if (us !== undefined) {
      const key = keyOf(partOfNode(node));
      sums.set(key, (sums.get(key) ?? 0) + us / 1000);
    }
  });
  return sums;
}
