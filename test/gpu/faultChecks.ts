/** What a machine with a GPU can lack, taken away on purpose: the engine must say what is missing and what to do. */

import { isGlmError } from '../../src/common/errors';
import { loadOptions, openEngine, tinyCheckpoints } from './engineFixture';
import type { GpuCheck } from './harness';

const missingLibraries: GpuCheck = {
  name: 'missing CUDA libraries are named, with the way to get them',
  async run() {
    const runtime = process.env.GLM_ORT_LIBRARY ?? '';
    // Only the runtime's own folder is left on the loader path.
    const engine = openEngine({ LD_LIBRARY_PATH: runtime.slice(0, Math.max(0, runtime.lastIndexOf('/'))) });
    try {
      const failure = await engine.request('model-load', loadOptions(tinyCheckpoints()[0]?.folder ?? '')).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (failure === undefined) {
        return 'not provoked: this machine\'s loader finds CUDA 13 and cuDNN 9 without a path';
      }
      if (!isGlmError(failure) || failure.code !== 'cuda-libraries') {
        throw new Error(`expected cuda-libraries, got ${isGlmError(failure) ? `${failure.code}: ${failure.message}` : String(failure)}`);
      }
      return `"${failure.message}"`;
    } finally {
      await engine.end();
    }
  },
};

export const faultChecks: readonly GpuCheck[] = [missingLibraries];
