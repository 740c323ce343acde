/**
 * The heart of the matter: holds what was planned, what was bound and what the runtime and the driver report against each other,
 * and says what does not agree. Pure: the same facts give the same messages.
 */

import type { AlignmentMessage, AlignmentMode } from '../common/alignment';
import type { DeviceId } from '../common/deviceId';
import { findDevicesShared } from './detectors/devicesShared';
import { findHiddenThroughHost } from './detectors/hiddenThroughHost';
import { findHostBoundInputs } from './detectors/hostBoundInputs';
import { findKvCacheOnCpu } from './detectors/kvCacheOnCpu';
import { findMemoryTaken } from './detectors/memoryTaken';
import { findPlanDiffers } from './detectors/planDiffers';
import { findNodeFallback, findProviderReplaced } from './detectors/providerFallback';
import { findStageOnCpu } from './detectors/stageOnCpu';
import { findUnfusedAttention } from './detectors/unfusedAttention';
import type { AlignmentFacts } from './facts';

/** In the order in which they are shown. */
const detectors: readonly ((facts: AlignmentFacts) => readonly AlignmentMessage[])[] = [
  findHostBoundInputs,
  findHiddenThroughHost,
  findKvCacheOnCpu,
  findStageOnCpu,
  findProviderReplaced,
  findNodeFallback,
  findPlanDiffers,
  findDevicesShared,
  findMemoryTaken,
  findUnfusedAttention,
];

/** Every mismatch once, with a key that is the same for the same cause and model. Empty when all is where it belongs. */
export function findMisalignments(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return detectors.flatMap((detect) => detect(facts));
}

/**
 * Where a tensor is put: on its consumer's device when nothing else is wanted or when fixing is on, else where it is wanted.
 * Hand the wanted device on as `BoundTensor.wantedDevice`, so that a fix is told.
 */
export function chooseTensorDevice(mode: AlignmentMode, consumer: DeviceId, wanted: DeviceId | undefined): DeviceId {
  return mode === 'autoFix' ? consumer : (wanted ?? consumer);
}

/** Keys of `before` whose cause is gone. */
export function resolvedKeys(before: readonly AlignmentMessage[], now: readonly AlignmentMessage[]): readonly string[] {
  return before.map(({ key }) => key).filter((key) => now.every((message) => message.key !== key));
}

/** The messages of `now` that `before` did not have in this form: what an engine sends on. */
export function changedMessages(before: readonly AlignmentMessage[], now: readonly AlignmentMessage[]): readonly AlignmentMessage[] {
  return now.filter((message) => {
    const known = before.find((one) => one.key === message.key);
    return known === undefined || known.state !== message.state || known.costMsPerToken !== message.costMsPerToken;
  });
}
