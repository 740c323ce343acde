/**
 * Which kernel the CUDA provider's GroupQueryAttention takes, by the rules of ONNX Runtime 1.30 (group_query_attention.cc, attention_kernel_options.cc):
 * on Hopper and later cuDNN's (microsoft/onnxruntime pull request 28849), else flash, else cutlass's memory-efficient one, else unfused with the scores in memory.
 * Of an int8 cache only flash has a way, by widening it first; where flash is not to be had, the operator fails.
 * The XQA kernel is off (`ORT_ENABLE_XQA=0`).
 * `node dist/testGpu.js attention` holds this against what the runtime itself prints.
 */

import type { AttentionKernel } from '../../../common/placement';
import type { KvDType } from '../../../model/precision';

export interface AttentionQuestion {
  /** Ten times the major version and the minor one: 90 on Hopper. */
  readonly computeCapability: number;
  readonly headDim: number;
  readonly kv: KvDType;
  /** Variables by which a user can forbid kernels. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Which of the user's variables forbid kernels, as `NAME=value`. */
export function forbiddingVariables(env: AttentionQuestion['env']): readonly string[] {
  return [
    ...(env.ORT_ENABLE_CUDNN_FLASH_ATTENTION === '0' ? ['ORT_ENABLE_CUDNN_FLASH_ATTENTION=0'] : []),
    ...['ORT_DISABLE_FLASH_ATTENTION', 'ORT_DISABLE_MEMORY_EFFICIENT_ATTENTION'].filter((name) => env[name] === '1').map((name) => `${name}=1`),
  ];
}

/** For activations of 16 bits. Of an int8 cache, everything but `flash` means that it can't be had. */
export function cudaAttentionKernel({ computeCapability, headDim, kv, env }: AttentionQuestion): AttentionKernel {
  const isOff = (name: string): boolean => env[`ORT_DISABLE_${name}_ATTENTION`] === '1';
  const isFlashShape = computeCapability >= 80 && headDim % 8 === 0 && headDim <= 256;
  const { ORT_ENABLE_CUDNN_FLASH_ATTENTION: cudnn } = env;
  if (kv !== 'i8' && isFlashShape && (cudnn === '1' || (computeCapability >= 90 && cudnn !== '0'))) {
    return 'cudnn';
  }
  if (isFlashShape && !isOff('FLASH')) {
    return 'flash';
  }
  return computeCapability >= 80 && headDim % 8 === 0 && headDim <= 1024 && !isOff('MEMORY_EFFICIENT') ? 'memory-efficient' : 'unfused';
}
