/** The fused decode kernels as nodes of a profile: which layer each launch belongs to, and what it reads, writes and multiplies. Pure. */

import type { ProfiledNode } from '../../../common/profile';
import type { FusedModel } from '../../../cuda/decode/fusedModel';
import type { NodeWork } from './nodeWork';

/** As nodes of our own kernels name their provider. */
export const ownProvider = 'GLM Local';

export interface KernelPlace extends Pick<ProfiledNode, 'stageIndex' | 'device'> {
  readonly firstLayer: number;
  /** Valid positions before the step. */
  readonly contextTokens: number;
  /** Elements of a row that share a scale, of quantised weights. */
  readonly blockSize: number;
}

/** @param launched  Names of the kernels of one step of a stage, in their order. */
export function kernelNodes(launched: readonly string[], model: FusedModel, place: KernelPlace): readonly ProfiledNode[] {
  const { stageIndex, device, firstLayer } = place;
  let layer = firstLayer - 1;
  const seen = new Map<string, number>();
  return launched.map((opType) => {
    // Every layer begins with this one.
    layer += opType === 'projectQkv' ? 1 : 0;
    const isOfLayer = layerKernels.has(opType);
    const path = isOfLayer ? `/layers.${layer}/${opType}` : opType === 'embedToken' ? '/embedding' : opType === 'projectLogits' ? '/lm_head' : `/${opType}`;
    const nth = seen.get(path) ?? 0;
    seen.set(path, nth + 1);
    return { name: nth === 0 ? path : `${path}:${nth}`, opType, provider: ownProvider, stageIndex, device, ...(isOfLayer ? { layer } : {}), ...workOf(opType, model, place) };
  });
}

const layerKernels: ReadonlySet<string> = new Set(['projectQkv', 'attendToken', 'projectOutput', 'projectGateUp', 'projectDown']);

function workOf(kernel: string, model: FusedModel, { contextTokens, blockSize }: KernelPlace): NodeWork {
  const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, vocabSize, weightBits } = model;
  const [querySize, kvSize] = [numHeads * headDim, numKvHeads * headDim];
  /** y = x · w with f32 vectors; quantised weights carry a 2-byte scale per block. */
  const product = (rows: number, width: number, vectors: number): NodeWork => ({
    bytes: (rows * width * weightBits) / 8 + (weightBits === 16 ? 0 : ((rows * width) / blockSize) * 2) + 4 * vectors,
    flops: 2 * rows * width,
  });
  switch (kernel) {
    case 'projectQkv': {
      const rows = querySize + 2 * kvSize;
      return withBytes(product(rows, hiddenSize, 3 * hiddenSize + rows), 2 * hiddenSize + (model.hasQkvBias ? 2 * rows : 0) + (model.hasSandwichNorms ? 2 * hiddenSize : 0));
    }
    case 'attendToken':
      // bf16 keys and values of all positions, the new one among them, and f32 queries.
      return { bytes: (model.kvDtype === 'i8' ? 2 : 4) * kvSize * (contextTokens + 1) + 4 * (querySize + 2 * kvSize), flops: 4 * querySize * (contextTokens + 1) };
    case 'projectOutput':
      return product(hiddenSize, querySize, hiddenSize + querySize);
    case 'projectGateUp':
      return withBytes(product(2 * intermediateSize, hiddenSize, 3 * hiddenSize + intermediateSize), 2 * hiddenSize + (model.hasSandwichNorms ? 2 * hiddenSize : 0));
    case 'projectDown':
      return product(hiddenSize, intermediateSize, hiddenSize + intermediateSize);
    case 'projectLogits':
      return withBytes(product(vocabSize, hiddenSize, 2 * hiddenSize + vocabSize), 2 * hiddenSize);
    case 'embedToken':
      return { bytes: 6 * hiddenSize };
    case 'finishStage':
      return { bytes: 12 * hiddenSize };
    case 'pickFromLogits':
      return { bytes: 4 * vocabSize };
    default:
      return {};
  }
}

/** Norms and biases, bf16. */
function withBytes(work: NodeWork, bytes: number): NodeWork {
  return { ...work, bytes: (work.bytes ?? 0) + bytes };
}
