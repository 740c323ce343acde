/** The fused kernels against float64 over shapes that differ in everything the kernels are specialised for. */

import { CudaContext } from '../../src/cuda/cudaContext';
import { CudaDriver } from '../../src/cuda/cudaDriver';
import { compileFusedKernels, FusedDecoder } from '../../src/cuda/decode/fusedDecoder';
import { defaultTuning, fusedDecodingObstacle, type FusedModel } from '../../src/cuda/decode/fusedModel';
import { createFixture } from './fusedFixture';
import type { GpuCheck } from './harness';
import { ReferenceModel } from './referenceModel';

const base: FusedModel = {
  hiddenSize: 256,
  intermediateSize: 416,
  numHeads: 8,
  numKvHeads: 2,
  headDim: 32,
  rotaryDim: 16,
  vocabSize: 2085,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  hasSandwichNorms: true,
  hasQkvBias: true,
  weightBits: 16,
  scaleDtype: 'f16',
  contextTokens: 256,
  kvDtype: 'bf16',
};

const shapes: readonly (readonly [string, FusedModel, number])[] = [
  ['glm4, bf16', base, 2],
  ['glm4, bf16, two stages', base, 1],
  ['glm, bf16, no bias, full rotary', { ...base, hasSandwichNorms: false, hasQkvBias: false, rotaryDim: 32, numHeads: 6, headDim: 16, rmsNormEps: 1.5625e-7, hiddenSize: 96, intermediateSize: 160 }, 2],
  ['glm4, int4', { ...base, weightBits: 4 }, 2],
  ['glm4, int8, 24 heads per KV head', { ...base, weightBits: 8, numHeads: 48, headDim: 64, rotaryDim: 32 }, 2],
  ['glm4, bf16, int8 cache', { ...base, kvDtype: 'i8' }, 1],
  ['glm4, int4, int8 cache, 16 heads per KV head of 128', { ...base, weightBits: 4, kvDtype: 'i8', numHeads: 32, headDim: 128, rotaryDim: 64 }, 2],
  ['glm, int8, int8 cache, head of 16', { ...base, weightBits: 8, kvDtype: 'i8', hasSandwichNorms: false, numHeads: 6, headDim: 16, rotaryDim: 16, hiddenSize: 96, intermediateSize: 160 }, 2],
  ['glm, int4, 6 heads per KV head, head of 128', { ...base, weightBits: 4, hasSandwichNorms: false, numHeads: 12, headDim: 128, rotaryDim: 64, ropeTheta: 5e6 }, 2],
];

/**
 * Largest difference allowed, over the logits' standard deviation. The KV cache is rounded on both sides; a key that rounds the other way moves a logit by some
 * 1e-3 in bf16, and by some ten times as much in int8, whose steps are that much longer.
 */
const tolerances = { bf16: 1e-2, i8: 5e-2 } as const;

export const fusedDecoderChecks: readonly GpuCheck[] = shapes.map(([name, model, cut], index) => ({
  name: `fused decode: ${name}`,
  async run() {
    using context = new CudaContext(CudaDriver.load(), 0);
    const obstacle = fusedDecodingObstacle(model, context.facts);
    if (obstacle !== undefined) {
      throw new Error(obstacle);
    }
    const fixture = createFixture(context, model, 2, cut, 100 + index);
    const decoders: FusedDecoder[] = [];
    try {
      // Two runs, so that each grows to two tiles, or as many as the device takes, of one tile each.
      const tuning = { ...defaultTuning(model.weightBits), ...(index % 2 === 0 ? { splits: 2 } : {}) };
      const image = await compileFusedKernels(context, model, tuning);
      for (const stage of fixture.stages) {
        decoders.push(FusedDecoder.create(context, model, stage, image, tuning));
      }
      return compare(context, decoders, model, new ReferenceModel(model, fixture.reference));
    } finally {
      decoders.forEach((decoder) => decoder.dispose());
      fixture.free();
    }
  },
}));

/** 140 greedy steps: over the first 64 positions attention is one run, then two, then three where the device takes them. */
function compare(context: CudaContext, decoders: readonly FusedDecoder[], model: FusedModel, reference: ReferenceModel): string {
  const [first, last] = [decoders[0], decoders.at(-1)];
  if (first === undefined || last === undefined) {
    throw new Error('no stage');
  }
  decoders.forEach((decoder) => decoder.prepare(7, 0));
  let token = 7;
  let worst = 0;
  for (let step = 0; step < 140; step += 1) {
    const expected = reference.step(token);
    first.start();
    if (last !== first) {
      first.wait();
      context.copyWithin(last.hiddenInput, first.hiddenOutput, model.hiddenSize * 4);
      last.start();
    }
    last.wait();
    const logits: Float32Array = last.readLogits();
    const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length;
    const deviation = Math.sqrt(expected.reduce((sum, value) => sum + (value - mean) ** 2, 0) / expected.length);
    const difference = logits.reduce((top, value, i) => Math.max(top, Number.isNaN(value) ? Infinity : Math.abs(value - (expected[i] ?? 0))), 0) / deviation;
    worst = Math.max(worst, difference);
    const tolerance = tolerances[model.kvDtype];
    if (!(difference <= tolerance)) {
      throw new Error(`step ${step}: logits differ by ${difference.toExponential(2)} standard deviations, allowed ${tolerance}`);
    }
    const top = last.readTop();
    const best = logits.reduce((winner, value, i) => (value > (logits[winner] ?? -Infinity) ? i : winner), 0);
    if (top.ids[0] !== best || top.values[0] !== logits[best]) {
      throw new Error(`step ${step}: the device picked ${top.ids[0]}, the highest logit is ${best}`);
    }
    const sorted = [...logits].sort((a, b) => b - a).slice(0, 64);
    if (sorted.some((value, i) => value !== top.values[i])) {
      throw new Error(`step ${step}: the best 64 are not the best 64`);
    }
    token = best;
    if (first !== last) {
      first.prepare(token, step + 1);
    }
  }
  return `max difference ${worst.toExponential(2)} standard deviations over 140 steps`;
}
