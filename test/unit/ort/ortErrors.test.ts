import { describe, expect, it } from 'vitest';
import { OrtCallError } from '../../../src/ort/ortErrors';

const failed = 1;

describe('OrtCallError', () => {
  it.each([
    'CUDA failure 2: out of memory ; GPU=0 ; hostname=host',
    'CUBLAS failure 3: the resource allocation failed ; GPU=0 ; expr=cublasCreate(&cublas_handle_);',
    'CUDNN failure 4002: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED ; GPU=0',
    'CUBLAS_STATUS_ALLOC_FAILED',
    'BFCArena: Failed to allocate memory for requested buffer of size 1073741824',
    'std::bad_alloc',
  ])('knows that a device had no memory left: %s', (text) => {
    const error = new OrtCallError('CreateSession', failed, text);
    expect(error.code).toBe('device-out-of-memory');
    expect(error.message).toContain(text);
    expect(error.next.map(({ command }) => command)).toEqual(['glm.reloadModel']);
  });

  it.each(['CUBLAS failure 13: the GPU program failed to execute', 'Non-zero status code returned while running MatMul node'])('leaves other failures as they are: %s', (text) => {
    const error = new OrtCallError('Run', failed, text);
    expect(error.code).toBe('runtime-call-failed');
    expect(error.message).toBe(`ONNX Runtime's Run failed (failure): ${text}`);
  });
});
