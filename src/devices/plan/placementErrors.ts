/** What can go wrong while planning: a model too big, a map that contradicts itself, no device left to use. */

import { formatBytes } from '../../common/byteFormat';
import type { DeviceId } from '../../common/deviceId';
import type { WeightFormat } from '../../common/dtype';
import { GlmError, type NextStep } from '../../common/errors';

/** What one device would have to hold, and what it may hold. */
export interface DeviceShortfall {
  readonly device: DeviceId;
  readonly neededBytes: number;
  readonly budgetBytes: number;
  /** 0 when this device has room for its part. */
  readonly shortfallBytes: number;
}

/**
 * The layers, their KV cache and activations are larger than what the devices have free.
 *
 * Cause: context too long, weights too wide, or memory held by other processes. Handled by: the load dialog and `glm plan`, which show the parts.
 * Fields: `shortfallBytes` (sum), `largestContextTokens` (0 when weights and runtime alone are too big), `devices`, `neededBytes`, `budgetBytes`, `shortfallBytesByDevice`.
 */
export class ModelDoesNotFitError extends GlmError {
  readonly shortfalls: readonly DeviceShortfall[];
  readonly shortfallBytes: number;
  readonly largestContextTokens: number;

  constructor(shortfalls: readonly DeviceShortfall[], contextTokens: number, largestContextTokens: number, weightFormat: WeightFormat, headroomBytes: number) {
    const shortfallBytes = shortfalls.reduce((sum, entry) => sum + entry.shortfallBytes, 0);
    const lacking = shortfalls
      .filter((entry) => entry.shortfallBytes > 0)
      .map((entry) => `${formatBytes(entry.shortfallBytes)} more than ${entry.device} has free (its part needs ${formatBytes(entry.neededBytes)}, ${formatBytes(entry.budgetBytes)} can be used)`);
    const context = contextTokens.toLocaleString('en-US');
    const runtime = formatBytes(headroomBytes);
    // Then no format of the weights would help.
    const isRuntimeTooBig = shortfalls.every((entry) => entry.shortfallBytes === 0 || entry.budgetBytes <= headroomBytes);
    const advice =
      largestContextTokens > 0
        ? `Lower the context to ${largestContextTokens.toLocaleString('en-US')} tokens, add a device, or free memory.`
        : isRuntimeTooBig
          ? `The runtime alone takes ${runtime} on a device: raise the limit, add a device, or free memory.`
          : `The weights and the runtime's own ${runtime} on a device are too big by themselves: ${weightFormat === 'int4' ? '' : weightFormat === 'int8' ? 'use int4 weights, ' : 'use int4 or int8 weights, '}add a device, or free memory.`;
    super('model-does-not-fit', `At a context of ${context} tokens the model needs ${lacking.join(', and ')}. ${advice}`, {
      fields: {
        shortfallBytes,
        largestContextTokens,
        contextTokens,
        devices: shortfalls.map((entry) => entry.device),
        neededBytes: shortfalls.map((entry) => entry.neededBytes),
        budgetBytes: shortfalls.map((entry) => entry.budgetBytes),
        shortfallBytesByDevice: shortfalls.map((entry) => entry.shortfallBytes),
      },
      next: nextSteps(largestContextTokens, isRuntimeTooBig && largestContextTokens === 0 ? 'int4' : weightFormat),
    });
    this.shortfalls = shortfalls;
    this.shortfallBytes = shortfallBytes;
    this.largestContextTokens = largestContextTokens;
  }
}

export type DeviceMapProblem =
  | 'unknown-module'
  | 'bad-device'
  | 'device-not-available'
  | 'disk-offload'
  | 'layer-split'
  | 'layer-out-of-range'
  | 'overlap'
  | 'gap'
  | 'stage-count'
  | 'format-not-on-cpu';

/**
 * The device map, or a setting beside it, contradicts itself or the machine.
 *
 * Cause: what a user wrote. Handled by: the setting's diagnostics and the CLI (exit code 2 or 1). Field `reason` is a {@link DeviceMapProblem}.
 */
export class DeviceMapError extends GlmError {
  constructor(reason: DeviceMapProblem, message: string, fields: Readonly<Record<string, string | number | readonly string[] | readonly number[]>> = {}, next: NextStep = useAuto) {
    super('device-map-invalid', message, { fields: { reason, ...fields }, next: [next] });
  }
}

const useAuto: NextStep = { label: 'Use the device map "auto"', command: 'glm.openSettings', args: ['glm.deviceMap'], terminal: 'Use --device-map auto' };

/** Where it is not the map that names a wrong device. */
export const changeDevices: NextStep = { label: 'Change the devices', command: 'glm.openSettings', args: ['glm.includeDevices'], terminal: 'Change --include or --exclude' };
export const changeLimits: NextStep = { label: 'Change the memory limits', command: 'glm.openSettings', args: ['glm.maxMemory'], terminal: 'Change --max-memory' };

/**
 * Nothing is left to run on after include, exclude and formats were applied.
 *
 * Cause: settings, or a weight format that no present device can run. Handled by: whoever asked for the plan.
 */
export class NoUsableDeviceError extends GlmError {
  constructor(why: string, advice: string, next: NextStep) {
    super('no-usable-device', `No device is left to run the model on. ${why} ${advice}.`, { next: [next] });
  }
}

function nextSteps(largestContextTokens: number, weightFormat: WeightFormat): readonly NextStep[] {
  return [
    ...(largestContextTokens > 0 ? [{ label: 'Lower the context', command: 'glm.openSettings', args: ['glm.contextLength'], terminal: `Use --context ${largestContextTokens}` }] : []),
    ...(weightFormat === 'int4' ? [] : [{ label: 'Use int4 weights', command: 'glm.openSettings', args: ['glm.weights'], terminal: 'Use --weights int4' }]),
    { label: 'Show the devices', command: 'glm.diagnose', terminal: 'See what is free with glm devices' },
  ];
}
