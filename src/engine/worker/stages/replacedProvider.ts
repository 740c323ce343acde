/** Notices that the runtime runs all of a stage on the CPU although it was given a GPU's provider, and what the stage becomes then. */

import { cpuDevice, deviceKind, type ProviderKind } from '../../../common/deviceId';
import type { WeightFormat } from '../../../common/dtype';
import { GlmError } from '../../../common/errors';
import type { StagePlacement } from '../../../common/placement';
import type { Session } from '../../../ort/session';

/**
 * Not one node of a GPU stage is on the GPU.
 *
 * Cause: the runtime left the provider out without a word. Handled by: openStages.ts, which opens the stage on the CPU in so many words.
 */
export class ProviderReplacedError extends GlmError {
  constructor({ device, stageIndex }: StagePlacement) {
    super('provider-replaced', `The runtime runs all of stage ${stageIndex} on the CPU, although it was to be on ${device}.`, { fields: { device, stageIndex } });
  }
}

/** @throws {ProviderReplacedError} Memory on the GPU would be copied at every step by a session that reads all of it on the CPU. */
export function assertProviderAtWork(session: Pick<Session, 'assignedNodes' | 'inputMemory'>, placement: StagePlacement): void {
  const isOnCpu = (name: string): boolean => /^cpu/i.test(name);
  const nodes = session.assignedNodes();
  const readsOnCpu = Object.values(session.inputMemory()).every(isOnCpu);
  // A list of CPU nodes alone is also what a provider leaves that tells nothing of its own; where the inputs are read decides.
  if (deviceKind(placement.device) !== 'cpu' && nodes !== undefined && nodes.length > 0 && nodes.every(({ provider }) => isOnCpu(provider)) && readsOnCpu) {
    throw new ProviderReplacedError(placement);
  }
}

const cpuFormats: readonly WeightFormat[] = ['f32', 'int8', 'int4'];

/** The same layers on the CPU, in the plan's weight format where the CPU can run that. */
export function onCpuInstead(placement: StagePlacement, planFormat: WeightFormat): StagePlacement & { readonly provider: ProviderKind } {
  const format = placement.weightFormat ?? planFormat;
  return { ...placement, device: cpuDevice, provider: 'cpu', weightFormat: cpuFormats.includes(format) ? format : 'int4', kvFormat: 'f32' };
}
