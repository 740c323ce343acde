import { GlmError } from '../../../common/errors';
import { whyNotLoadable } from '../../../cuda/loadableLibrary';
import { neededLibraries } from '../../../cuda/setup/neededLibraries';

/**
 * The CUDA provider could not be loaded.
 *
 * Cause: CUDA or cuDNN libraries that the loader does not find, or finds in a version of another CUDA. Handled by: the load request.
 */
export class CudaLibrariesError extends GlmError {
  constructor(cause: unknown, missing: readonly { readonly title: string; readonly fileName: string; readonly reason: string }[]) {
    const what =
      missing.length > 0
        ? `${missing.map(({ title, fileName }) => `${title} (${fileName})`).join(', ')} can't be loaded: ${missing[0]?.reason}`
        : `every library that it needs is there, but it refused: ${cause instanceof Error ? cause.message : String(cause)}`;
    super('cuda-libraries', `The CUDA provider could not start; ${what.replace(/\.?$/, '.')} Run "GLM: Set Up CUDA" (glm setup-cuda), or choose the provider webgpu or cpu.`, {
      fields: { missing: missing.map(({ fileName }) => fileName) },
      next: [{ label: 'Set Up CUDA', command: 'glm.setupCuda', terminal: 'glm setup-cuda lists what is missing, glm setup-cuda --download fetches it' }],
      cause,
    });
  }
}

/** Which of the needed libraries the loader of this process can't find, after the provider failed with `cause`. */
export function explainCudaFailure(cause: unknown, whyNot: (fileName: string) => string | undefined = whyNotLoadable, platform: NodeJS.Platform = process.platform): CudaLibrariesError {
  // The provider's own libraries lie beside the runtime, where the loader does not look by itself.
  const missing = neededLibraries(platform).flatMap(({ title, fileName, isProvider }) => {
    const reason = isProvider ? undefined : whyNot(fileName);
    return reason === undefined ? [] : [{ title, fileName, reason }];
  });
  return new CudaLibrariesError(cause, missing);
}
