import { describe, expect, it } from 'vitest';
import { whyNotLoadable } from '../../../../../src/cuda/loadableLibrary';
import { explainCudaFailure } from '../../../../../src/engine/worker/stages/cudaLibrariesError';

describe('explainCudaFailure', () => {
  const cause = new Error('Failed to load library libonnxruntime_providers_cuda.so');

  it('names the libraries that are not there, and the way to get them', () => {
    const error = explainCudaFailure(cause, (name) => (name.includes('cudnn') || name.includes('cublasLt') ? `${name}: cannot open shared object file` : undefined), 'linux');
    expect(error.code).toBe('cuda-libraries');
    expect(error.message).toBe(
      'The CUDA provider could not start; cuBLAS Lt (libcublasLt.so.13), cuDNN (libcudnn.so.9) can\'t be loaded: libcublasLt.so.13: cannot open shared object file. ' +
        'Run "GLM: Set Up CUDA" (glm setup-cuda), or choose the provider webgpu or cpu.',
    );
    expect(error.fields).toEqual({ missing: ['libcublasLt.so.13', 'libcudnn.so.9'] });
    expect(error.next).toMatchObject([{ label: 'Set Up CUDA', command: 'glm.setupCuda' }]);
    expect(error.cause).toBe(cause);
  });

  it('hands on what the runtime said when all of them load', () => {
    expect(explainCudaFailure(cause, () => undefined, 'linux').message).toContain('but it refused: Failed to load library libonnxruntime_providers_cuda.so. Run');
  });
});

describe('whyNotLoadable', () => {
  it('is silent about a library that loads, and quotes the loader about one that does not', () => {
    const libc = { linux: 'libc.so.6', darwin: 'libSystem.dylib', win32: 'kernel32.dll' }[process.platform as string] ?? 'libc.so.6';
    expect(whyNotLoadable(libc)).toBeUndefined();
    expect(whyNotLoadable('libno-such-library.so.99')).toMatch(/load|open/i);
  });
});
