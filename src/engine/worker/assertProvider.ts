/** A provider that was asked for by name must be there; only `auto` may choose another. Pure. */

import type { ProviderKind } from '../../common/deviceId';
import { GlmError, type NextStep } from '../../common/errors';
import type { DeviceBudget } from '../../common/placement';

/**
 * Cause: `provider` names a GPU provider, and no device of it can be used. Handled by: the view, which offers the steps.
 * Running on the CPU in silence would be the very mistake this product exists to name.
 */
export class ProviderAbsentError extends GlmError {
  constructor(provider: ProviderKind, next: readonly NextStep[]) {
    super('provider-absent', `${provider === 'cuda' ? 'No NVIDIA GPU can be used through CUDA' : 'No GPU can be used through WebGPU'}. ${remedies[provider]}`, {
      fields: { provider },
      next,
    });
  }
}

const remedies: Readonly<Record<ProviderKind, string>> = {
  cuda: 'Set up CUDA, or choose the provider "auto".',
  webgpu: 'Install a Vulkan driver, or choose the provider "auto".',
  cpu: '',
};

const commonSteps: readonly NextStep[] = [
  { label: 'Choose the provider "auto"', command: 'glm.openSettings', args: ['glm.provider'], terminal: 'Take what is there with --provider auto' },
  { label: 'Show what was found', command: 'glm.diagnose', terminal: 'See what was found, and why something is missing, with glm devices' },
];

const nextSteps: Readonly<Record<ProviderKind, readonly NextStep[]>> = {
  cuda: [{ label: 'Set up CUDA', command: 'glm.setupCuda', terminal: 'See which libraries are missing with glm setup-cuda' }, ...commonSteps],
  webgpu: commonSteps,
  cpu: [],
};

/** @throws {ProviderAbsentError} when `provider` was named and no device has it. */
export function assertProviderPresent(provider: ProviderKind | 'auto', devices: readonly DeviceBudget[]): void {
  if (provider !== 'auto' && provider !== 'cpu' && !devices.some((device) => device.provider === provider)) {
    throw new ProviderAbsentError(provider, nextSteps[provider]);
  }
}
