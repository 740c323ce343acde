/** Random weights for the fused decoder, on the device and as the exact numbers the device holds. */

import type { CudaContext } from '../../src/cuda/cudaContext';
import type { FusedLayer, FusedMatrix, FusedStage } from '../../src/cuda/decode/fusedDecoder';
import type { FusedModel } from '../../src/cuda/decode/fusedModel';
import { roundToBf16, type ReferenceLayer, type ReferenceWeights } from './referenceModel';

/** Seeded, roughly normal numbers. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 4294967296;
  };
  return () => (uniform() + uniform() + uniform() + uniform() - 2) * 1.7;
}

export interface FusedFixture {
  readonly stages: readonly FusedStage[];
  readonly reference: ReferenceWeights;
  free(): void;
}

/** @param cut  Layers of the first stage; all of them for a single stage. */
export function createFixture(context: CudaContext, model: FusedModel, numLayers: number, cut: number, seed: number): FusedFixture {
  const random = createRandom(seed);
  const owned: bigint[] = [];
  const place = (data: ArrayBufferView): bigint => {
    const address = context.allocate(data.byteLength);
    owned.push(address);
    context.upload(address, data);
    return address;
  };
  const vector = (length: number, scale: number, offset: number): { address: bigint; values: Float64Array } => {
    const values = Float64Array.from({ length }, () => roundToBf16(offset + random() * scale));
    return { address: place(Uint16Array.from(values, bf16Bits)), values };
  };
  const matrix = (rows: number, columns: number): { device: FusedMatrix; values: Float64Array } => {
    const scale = 1 / Math.sqrt(columns);
    if (model.weightBits === 16) {
      const values = Float64Array.from({ length: rows * columns }, () => roundToBf16(random() * scale));
      return { device: { weights: place(Uint16Array.from(values, bf16Bits)) }, values };
    }
    return quantized(rows, columns, scale);
  };
  const quantized = (rows: number, columns: number, scale: number): { device: FusedMatrix; values: Float64Array } => {
    const bits = model.weightBits;
    const zero = 2 ** (bits - 1);
    const stored = new Uint8Array((rows * columns * bits) / 8);
    const scales = new Uint16Array((rows * columns) / 32);
    const values = new Float64Array(rows * columns);
    for (let block = 0; block < scales.length; block += 1) {
      const exponent = Math.round(Math.log2((scale * 3) / zero)) + (block % 2);
      scales[block] = (exponent + 15) << 10;
      for (let i = block * 32; i < block * 32 + 32; i += 1) {
        const code = Math.max(0, Math.min(2 * zero - 1, Math.round(zero + (random() * zero) / 3)));
        values[i] = (code - zero) * 2 ** exponent;
        if (bits === 8) stored[i] = code;
        else stored[i >> 1] = (stored[i >> 1] ?? 0) | (code << ((i & 1) * 4));
      }
    }
    return { device: { weights: place(stored), scales: place(scales) }, values };
  };

  const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, vocabSize, contextTokens } = model;
  const cacheBytes = numKvHeads * contextTokens * headDim * (model.kvDtype === 'i8' ? 1 : 2);
  /** Some so small that keys and values are clamped. */
  const channelScales = (): { address: bigint; values: Float64Array } => {
    const values = Float64Array.from({ length: numKvHeads * headDim }, (_, channel) => Math.fround((channel % 7 === 3 ? 0.008 : 0.03) * (1 + 0.2 * Math.abs(random()))));
    return { address: place(Float32Array.from(values)), values };
  };
  const layers: FusedLayer[] = [];
  const referenceLayers: ReferenceLayer[] = [];
  const embedding = vector(vocabSize * hiddenSize, 1, 0);
  for (let index = 0; index < numLayers; index += 1) {
    const norms = Array.from({ length: 4 }, () => vector(hiddenSize, 0.2, 1));
    const [q, k, v] = [matrix(numHeads * headDim, hiddenSize), matrix(numKvHeads * headDim, hiddenSize), matrix(numKvHeads * headDim, hiddenSize)];
    const biases = [vector(numHeads * headDim, 0.3, 0), vector(numKvHeads * headDim, 0.3, 0), vector(numKvHeads * headDim, 0.3, 0)];
    const [o, gateUp, down] = [matrix(hiddenSize, numHeads * headDim), matrix(2 * intermediateSize, hiddenSize), matrix(hiddenSize, intermediateSize)];
    const caches = [context.allocate(cacheBytes), context.allocate(cacheBytes)] as const;
    owned.push(...caches);
    const [keyScales, valueScales] = [channelScales(), channelScales()];
    const sandwich = model.hasSandwichNorms;
    layers.push({
      inputNorm: at(norms, 0).address,
      q: q.device,
      k: k.device,
      v: v.device,
      ...(model.hasQkvBias ? { qBias: at(biases, 0).address, kBias: at(biases, 1).address, vBias: at(biases, 2).address } : {}),
      o: o.device,
      postSelfAttentionNorm: sandwich ? at(norms, 1).address : undefined,
      postAttentionNorm: at(norms, 2).address,
      gateUp: gateUp.device,
      down: down.device,
      postMlpNorm: sandwich ? at(norms, 3).address : undefined,
      keyCache: caches[0],
      valueCache: caches[1],
      ...(model.kvDtype === 'i8' ? { keyScales: keyScales.address, valueScales: valueScales.address } : {}),
    });
    referenceLayers.push({
      inputNorm: at(norms, 0).values,
      q: q.values,
      k: k.values,
      v: v.values,
      qBias: at(biases, 0).values,
      kBias: at(biases, 1).values,
      vBias: at(biases, 2).values,
      o: o.values,
      postSelfAttentionNorm: at(norms, 1).values,
      postAttentionNorm: at(norms, 2).values,
      gateUp: gateUp.values,
      down: down.values,
      postMlpNorm: at(norms, 3).values,
      keyScales: keyScales.values,
      valueScales: valueScales.values,
    });
  }
  const finalNorm = vector(hiddenSize, 0.2, 1);
  const head = matrix(vocabSize, hiddenSize);
  const whole: FusedStage = { layers, embedding: embedding.address, finalNorm: finalNorm.address, head: head.device };
  const stages = cut >= numLayers ? [whole] : [{ layers: layers.slice(0, cut), embedding: embedding.address }, { ...whole, embedding: undefined, layers: layers.slice(cut) }];
  return {
    stages,
    reference: { embedding: embedding.values, layers: referenceLayers, finalNorm: finalNorm.values, head: head.values },
    free: () => owned.splice(0).forEach((address) => context.free(address)),
  };
}

const oneFloat = new Float32Array(1);
const itsBits = new Uint32Array(oneFloat.buffer);

/** The upper half of a float: exact for a bf16, cut off for others. */
export function bf16Bits(value: number): number {
  oneFloat[0] = value;
  return (itsBits[0] as number) >>> 16;
}

function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  if (value === undefined) {
    throw new RangeError(`Expected an element at ${index}, got a list of ${list.length}.`);
  }
  return value;
}
