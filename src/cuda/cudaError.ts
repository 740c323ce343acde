/** Turns a status of the CUDA driver API into an error; the one place where that happens. */

import { GlmError, type NextStep } from '../common/errors';

/**
 * A driver call that failed.
 *
 * Cause: the driver's own status, named in `fields.status`. Handled by: the loader (frees what it took) and the engine's request handlers.
 */
export class CudaError extends GlmError {
  constructor(call: string, statusCode: number, statusName: string, description: string, detail?: string) {
    const failure = `${call} failed with ${statusName} (${statusCode}): ${description}.${detail === undefined ? '' : ` ${detail}`}`;
    const advice = codeOf(statusName) === 'device-out-of-memory' ? 'The GPU ran out of memory; another process may have taken it since the plan was made. Lower the context length, choose weights with fewer bits, or free memory, then load again. ' : '';
    super(codeOf(statusName), `${advice}${failure}`, {
      fields: { call, status: statusName, statusCode },
      next: nextStepsOf(statusName),
    });
  }
}

/**
 * The driver library is not there or too old.
 *
 * Cause: no NVIDIA driver, or a container started without access to it. Handled by: device probing (CUDA devices are then not offered).
 */
export class CudaUnavailableError extends GlmError {
  constructor(reason: string, cause?: unknown) {
    super('cuda-unavailable', `CUDA can't be used: ${reason} Install NVIDIA's driver (580 or newer), or in a container pass the GPUs through, then restart the engine.`, { cause });
  }
}

function codeOf(statusName: string): string {
  switch (statusName) {
    case 'CUDA_ERROR_OUT_OF_MEMORY':
      return 'device-out-of-memory';
    case 'CUDA_ERROR_DEVICE_UNAVAILABLE':
    case 'CUDA_ERROR_ECC_UNCORRECTABLE':
    case 'CUDA_ERROR_DEVICE_NOT_LICENSED':
    case 'CUDA_ERROR_NO_DEVICE':
    case 'CUDA_ERROR_INVALID_DEVICE':
      return 'cuda-device-lost';
    default:
      return 'cuda-call-failed';
  }
}

function nextStepsOf(statusName: string): readonly NextStep[] {
  return statusName === 'CUDA_ERROR_OUT_OF_MEMORY'
    ? [{ label: 'Lower the context', command: 'glm.openSettings', args: ['glm.contextLength'], terminal: 'Lower --context, or choose --weights with fewer bits' }, { label: 'Use fewer bits', command: 'glm.openSettings', args: ['glm.weights'] }, { label: 'Free memory that other processes hold on this GPU' }]
    : [{ label: 'Restart the engine', command: 'glm.restartEngine' }];
}
