/** The context that is allocated when nobody asked for a certain one: the usual one, or what the memory leaves of it. Pure. */

import { isGlmError } from '../../common/errors';
import type { DeviceBudget, PlacementPlan } from '../../common/placement';

/** A context shorter than this is worth wider layers on the CPU, or weights in fewer bits: a conversation with a file in it needs about as much. */
export const leastContextTokens = 8192;

export const usesCpu = (plan: PlacementPlan): boolean => plan.stages.some((stage) => stage.provider === 'cpu');

/** What `plan` returns, or undefined where the model does not fit. */
export function ifItFits<T>(plan: () => T): T | undefined {
  try {
    return plan();
  } catch (error) {
    if (isGlmError(error) && error.code === 'model-does-not-fit') {
      return undefined;
    }
    throw error;
  }
}

/**
 * Takes less context where the usual one does not fit, and where it would only fit with layers on the CPU beside GPUs: every token waits for those,
 * whereas few conversations fill a context.
 *
 * @param place        A plan on these devices with this context.
 * @param mayAvoidCpu  There is a GPU, and the request leaves the choice.
 * @throws {ModelDoesNotFitError} when not even one token fits.
 */
export function placeWhatFits(
  place: (devices: readonly DeviceBudget[], contextTokens: number) => PlacementPlan,
  devices: readonly DeviceBudget[],
  mayAvoidCpu: boolean,
  contextTokens: number,
): PlacementPlan {
  const plan = lowered(place, devices, contextTokens, 'more does not fit in the free memory. Free memory or use fewer bits for the weights.');
  if (!usesCpu(plan) || !mayAvoidCpu) {
    return plan;
  }
  const gpus = devices.filter((device) => device.provider !== 'cpu');
  const onGpus = ifItFits(() => lowered(place, gpus, contextTokens, 'more would put layers on the CPU, for which every token waits. Free GPU memory, use fewer bits for the weights, or ask for the longer context.'));
  return onGpus !== undefined && onGpus.contextTokens >= Math.min(leastContextTokens, contextTokens) ? { ...onGpus, largestContextTokens: plan.largestContextTokens } : plan;
}

function lowered(place: (devices: readonly DeviceBudget[], contextTokens: number) => PlacementPlan, devices: readonly DeviceBudget[], contextTokens: number, why: string): PlacementPlan {
  try {
    return place(devices, contextTokens);
  } catch (error) {
    const largest = isGlmError(error) && error.code === 'model-does-not-fit' ? Number(error.fields.largestContextTokens) : 0;
    if (!(largest > 0)) {
      throw error;
    }
    const plan = place(devices, Math.min(largest, contextTokens));
    const message = `The context is ${plan.contextTokens.toLocaleString('en-US')} tokens, not ${contextTokens.toLocaleString('en-US')}: ${why}`;
    return { ...plan, warnings: [...plan.warnings, { code: 'context-lowered', message }] };
  }
}
