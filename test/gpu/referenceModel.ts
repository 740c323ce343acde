/** A GLM-4 decoder in plain float64 loops, as slow as it is readable: what the fused kernels must reproduce. One sequence, one token at a time. */

import type { FusedModel } from '../../src/cuda/decode/fusedModel';

export interface ReferenceLayer {
  readonly inputNorm: Float64Array;
  readonly q: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
  readonly qBias: Float64Array;
  readonly kBias: Float64Array;
  readonly vBias: Float64Array;
  readonly o: Float64Array;
  readonly postSelfAttentionNorm: Float64Array;
  readonly postAttentionNorm: Float64Array;
  readonly gateUp: Float64Array;
  readonly down: Float64Array;
  readonly postMlpNorm: Float64Array;
  /** [numKvHeads, headDim], of a cache in i8. */
  readonly keyScales: Float64Array;
  readonly valueScales: Float64Array;
}

export interface ReferenceWeights {
  readonly embedding: Float64Array;
  readonly layers: readonly ReferenceLayer[];
  readonly finalNorm: Float64Array;
  readonly head: Float64Array;
}

export class ReferenceModel {
  private readonly keys: Float64Array[][];
  private readonly values: Float64Array[][];

  constructor(
    private readonly model: FusedModel,
    private readonly weights: ReferenceWeights,
  ) {
    this.keys = weights.layers.map(() => []);
    this.values = weights.layers.map(() => []);
  }

  /** Appends a token and returns its logits, f64[vocabSize]. */
  step(token: number): Float64Array {
    const { hiddenSize } = this.model;
    let x: Float64Array = this.weights.embedding.slice(token * hiddenSize, (token + 1) * hiddenSize);
    this.weights.layers.forEach((layer, index) => {
      const attended = matVec(layer.o, this.attend(layer, index, this.norm(x, layer.inputNorm)));
      x = add(x, this.model.hasSandwichNorms ? this.norm(attended, layer.postSelfAttentionNorm) : attended);
      const mlp = this.mlp(layer, this.norm(x, layer.postAttentionNorm));
      x = add(x, this.model.hasSandwichNorms ? this.norm(mlp, layer.postMlpNorm) : mlp);
    });
    return matVec(this.weights.head, this.norm(x, this.weights.finalNorm));
  }

  private attend(layer: ReferenceLayer, index: number, x: Float64Array): Float64Array {
    const { numHeads, numKvHeads, headDim, hasQkvBias } = this.model;
    const position = this.keys[index]?.length ?? 0;
    const project = (matrix: Float64Array, bias: Float64Array): Float64Array => (hasQkvBias ? add(matVec(matrix, x), bias) : matVec(matrix, x));
    const q = this.rotate(project(layer.q, layer.qBias), position);
    const stored = (values: Float64Array, scales: Float64Array): Float64Array =>
      this.model.kvDtype === 'bf16' ? values.map(roundToBf16) : values.map((value, i) => Math.max(-128, Math.min(127, roundToEven(value / (scales[i] ?? 1)))) * (scales[i] ?? 1));
    this.keys[index]?.push(stored(this.rotate(project(layer.k, layer.kBias), position), layer.keyScales));
    this.values[index]?.push(stored(project(layer.v, layer.vBias), layer.valueScales));
    const out = new Float64Array(numHeads * headDim);
    for (let head = 0; head < numHeads; head += 1) {
      const kvAt = Math.floor(head / (numHeads / numKvHeads)) * headDim;
      const scores = (this.keys[index] ?? []).map((key) => {
        let dot = 0;
        for (let d = 0; d < headDim; d += 1) dot += (q[head * headDim + d] ?? 0) * (key[kvAt + d] ?? 0);
        return dot / Math.sqrt(headDim);
      });
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - top));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      (this.values[index] ?? []).forEach((value, row) => {
        for (let d = 0; d < headDim; d += 1) out[head * headDim + d] = (out[head * headDim + d] ?? 0) + ((weights[row] ?? 0) / total) * (value[kvAt + d] ?? 0);
      });
    }
    return out;
  }

  private mlp(layer: ReferenceLayer, x: Float64Array): Float64Array {
    const both = matVec(layer.gateUp, x);
    const half = both.length / 2;
    return matVec(
      layer.down,
      Float64Array.from({ length: half }, (_, i) => {
        const gate = both[i] ?? 0;
        return (gate / (1 + Math.exp(-gate))) * (both[half + i] ?? 0);
      }),
    );
  }

  private norm(x: Float64Array, weight: Float64Array): Float64Array {
    const mean = x.reduce((sum, value) => sum + value * value, 0) / x.length;
    const scale = 1 / Math.sqrt(mean + this.model.rmsNormEps);
    return x.map((value, i) => value * scale * (weight[i] ?? 0));
  }

  /** Interleaved pairs of the first rotaryDim dimensions of each head. */
  private rotate(x: Float64Array, position: number): Float64Array {
    const { headDim, rotaryDim, ropeTheta } = this.model;
    const out = x.slice();
    for (let head = 0; head < x.length; head += headDim) {
      for (let i = 0; i < rotaryDim; i += 2) {
        const angle = position * ropeTheta ** (-i / rotaryDim);
        const [a, b] = [x[head + i] ?? 0, x[head + i + 1] ?? 0];
        out[head + i] = a * Math.cos(angle) - b * Math.sin(angle);
        out[head + i + 1] = b * Math.cos(angle) + a * Math.sin(angle);
      }
    }
    return out;
  }
}

/** Nearest bf16, ties to even. */
export function roundToBf16(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0;
  return new Float32Array(Uint32Array.of(((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) << 16).buffer)[0] ?? 0;
}

/** Nearest whole number, halves to even. */
function roundToEven(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  return rest > 0.5 || (rest === 0.5 && down % 2 !== 0) ? down + 1 : down;
}

function matVec(matrix: Float64Array, x: Float64Array): Float64Array {
  const rows = matrix.length / x.length;
  const out = new Float64Array(rows);
  for (let row = 0; row < rows; row += 1) {
    let sum = 0;
    for (let i = 0; i < x.length; i += 1) sum += (matrix[row * x.length + i] ?? 0) * (x[i] ?? 0);
    out[row] = sum;
  }
  return out;
}

function add(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, i) => value + (b[i] ?? 0));
}
