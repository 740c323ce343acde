/** Which dtypes and operators a stage uses: the one place that knows what each execution provider can do. */

import type { ProviderKind } from '../common/deviceId';
import type { DType, KvFormat, WeightFormat } from '../common/dtype';
import { GlmError } from '../common/errors';

export type FloatDType = 'f32' | 'f16' | 'bf16';

/** How a cache lies in memory; `i8` with a scale for each channel of each head (see kvScales.ts). */
export type KvDType = FloatDType | 'i8';

export interface Precision {
  readonly provider: ProviderKind;
  readonly weights: WeightFormat;
  /** Inputs and outputs of linear layers and of the attention. */
  readonly activations: FloatDType;
  /** The residual stream and its norms; wider than `activations` where those could overflow. */
  readonly residual: FloatDType;
  readonly kv: KvDType;
  /** Elements of a row that share one scale in int4 and int8 weights. */
  readonly blockSize: number;
  /** Whether int4 blocks carry a zero point of their own (a tenth less error) instead of an implied 8. */
  readonly hasZeroPoints: boolean;
  /** MatMulNBits: 4 computes with int8 activations on the CPU; 0 with those given. */
  readonly accuracyLevel: 0 | 4;
  /** Of token ids. */
  readonly ids: Extract<DType, 'i32' | 'i64'>;
  /** How the embedding is held: `file` keeps the checkpoint's dtype (only the rows in use are ever read from the mapped file). */
  readonly embedding: 'file' | 'f16' | 'bf16' | 'f32' | 'quantized';
  /** The operator for unquantised linear layers. */
  readonly denseOperator: 'FusedMatMul' | 'Gemm';
  /** Whether outputs that pass f16's range must be scaled down; see LinearSpec.isRescalable. */
  readonly rescales: boolean;
  /** Whether the session has our operator for the gate of the MLP, which reads and writes a third of what the runtime's three do. */
  readonly hasGatedSilu: boolean;
  /** Whether the runtime computes both halves of the gated MLP and their product in one operator (`MatMulNBitsMlp`, WebGPU only). */
  readonly hasGatedProduct: boolean;
  /** Whether it has ours for the norms of GLM-4-0414, which takes two of the runtime's together. Residual and activations are then of one dtype. */
  readonly hasSandwichNorm: boolean;
}

/**
 * The dtypes and operators for a provider and a weight format.
 *
 * @param options.kv  `int8` asks for a cache of eight bits; everything else gets the provider's own format.
 * @throws {GlmError} `weights-unsupported` when the provider cannot run the format, `kv-unsupported` when it has no cache of eight bits.
 */
export function precisionFor(provider: ProviderKind, weights: WeightFormat, options: { readonly accuracyLevel?: 0 | 4; readonly kv?: KvFormat; readonly activations?: FloatDType } = {}): Precision {
  const allowed: Readonly<Record<ProviderKind, readonly WeightFormat[]>> = {
    cpu: ['f32', 'int8', 'int4'],
    webgpu: ['f32', 'f16', 'int8', 'int4'],
    cuda: ['bf16', 'f16', 'int8', 'int4'],
  };
  if (!allowed[provider].includes(weights)) {
    throw new GlmError('weights-unsupported', `The ${provider} provider cannot run ${weights} weights. Choose ${allowed[provider].join(', ')}.`, { fields: { provider, weights } });
  }
  const hasByteCache = options.kv === 'int8';
  if (hasByteCache && provider === 'webgpu') {
    throw new GlmError('kv-unsupported', 'The webgpu provider holds keys and values as f16 or f32: its attention reads no int8. Choose "auto", a shorter context, or the provider cuda or cpu.', {
      fields: { provider, weights, kvCache: 'int8' },
    });
  }
  const common = { provider, weights, blockSize: 32, hasGatedSilu: false, hasGatedProduct: false, hasSandwichNorm: false } as const;
  switch (provider) {
    case 'cpu':
      return {
        ...common,
        // Decoding waits for memory, and the runtime keeps 8 bytes for each block beside its weights: blocks of 64 are a sixth less to read than blocks of 32.
        blockSize: weights === 'int4' ? 64 : 32,
        activations: 'f32',
        residual: 'f32',
        kv: hasByteCache ? 'i8' : 'f32',
        accuracyLevel: options.accuracyLevel ?? 4,
        hasZeroPoints: weights === 'int4',
        ids: 'i64',
        embedding: 'file',
        denseOperator: 'FusedMatMul',
        rescales: false,
      };
    case 'webgpu': {
      const activations = options.activations === 'f32' || weights === 'f32' ? 'f32' : 'f16';
      return {
        ...common,
        activations,
        residual: 'f32',
        kv: activations,
        accuracyLevel: options.accuracyLevel ?? 0,
        hasZeroPoints: false,
        ids: 'i32',
        embedding: weights === 'int4' || weights === 'int8' ? 'quantized' : activations,
        denseOperator: 'Gemm',
        rescales: activations === 'f16',
      };
    }
    case 'cuda': {
      const activations = options.activations ?? (weights === 'f16' ? 'f16' : 'bf16');
      return {
        ...common,
        activations,
        residual: activations === 'f16' ? 'f32' : 'bf16',
        kv: hasByteCache ? 'i8' : activations,
        accuracyLevel: 0,
        hasZeroPoints: false,
        ids: 'i64',
        embedding: activations === 'f16' ? 'f16' : 'bf16',
        denseOperator: 'FusedMatMul',
        rescales: activations === 'f16',
      };
    }
  }
}

/** The format's name for users. */
export function kvFormatOf({ kv }: Pick<Precision, 'kv'>): KvFormat {
  return kv === 'i8' ? 'int8' : kv;
}

export function isQuantized(weights: WeightFormat): weights is 'int4' | 'int8' {
  return weights === 'int4' || weights === 'int8';
}
