/** The attention kernel alone, over contexts that a whole model in float64 would take too long for; and whether the kernels compile for GPUs that are not here. */

import { CudaContext } from '../../src/cuda/cudaContext';
import { CudaDriver } from '../../src/cuda/cudaDriver';
import { CudaStream } from '../../src/cuda/cudaStream';
import { attentionSharedBytes, attentionThreads, defaultTuning, definesOf, splitsOf, type FusedModel } from '../../src/cuda/decode/fusedModel';
import { kernelSource } from '../../src/cuda/decode/kernels';
import { KernelModule } from '../../src/cuda/kernelModule';
import { compileKernels } from '../../src/cuda/nvrtc';
import { glm9bShape } from '../fakes/glm9bShape';
import { bf16Bits, createRandom } from './fusedFixture';
import type { GpuCheck } from './harness';
import { roundToBf16 } from './referenceModel';

const glm9b: FusedModel = { ...glm9bShape, weightBits: 16, contextTokens: 8_400 };

const shapes: readonly (readonly [string, FusedModel])[] = [
  ['9B', glm9b],
  ['9B, int8 cache', { ...glm9b, kvDtype: 'i8' }],
  ['32B', { ...glm9b, numHeads: 48, numKvHeads: 8 }],
  ['edge', { ...glm9b, numHeads: 16, numKvHeads: 4, rotaryDim: 128 }],
  ['one KV head, head of 256', { ...glm9b, numHeads: 16, numKvHeads: 1, headDim: 256 }],
  ['as many KV heads as heads, int8 cache', { ...glm9b, numHeads: 8, numKvHeads: 8, headDim: 64, kvDtype: 'i8' }],
];

/** Around the borders of tiles and runs, and beyond them. */
const positions = [0, 1, 15, 16, 63, 64, 65, 128, 500, 4223, 4224, 8399];

/** Of the largest output. Both sides round the new key and value to the cache; queries and weights of the softmax keep 16 bits of mantissa on the device. */
const tolerance = { bf16: 2e-4, i8: 2e-4 } as const;

const attention = shapes.map(([name, model], index): GpuCheck => ({
  name: `decode kernels: attention of the ${name} shape against float64, up to 8,400 positions`,
  async run() {
    using context = new CudaContext(CudaDriver.load(), 0);
    const tuning = defaultTuning(model.weightBits);
    const splits = splitsOf(model, context.facts, tuning);
    using kernels = new KernelModule(context, await compileKernels(kernelSource, context.facts.computeCapability, definesOf(model, tuning, splits)));
    using stream = new CudaStream(context);
    const owned: bigint[] = [];
    const place = (data: ArrayBufferView): bigint => {
      const address = context.allocate(data.byteLength);
      owned.push(address);
      context.upload(address, data);
      return address;
    };
    try {
      const sides = makeInputs(model, 7 + index);
      const { numHeads, numKvHeads, headDim } = model;
      const [keyScales, valueScales, rotary] = [place(sides.keyScales), place(sides.valueScales), place(sides.rotary)];
      const [qkv, state, attended] = [place(sides.qkv), place(new Int32Array(4)), place(new Float32Array(numHeads * headDim))];
      const [partial, sums, counters] = [place(new Float32Array(numHeads * splits * headDim)), place(new Float32Array(numHeads * splits * 2)), place(new Uint32Array(numKvHeads * 2))];
      const caches = [place(sides.keyCache), place(sides.valueCache)] as const;
      let worst = 0;
      for (const position of positions) {
        context.upload(state, Int32Array.of(position));
        const args = [qkv, ...caches, keyScales, valueScales, rotary, state, partial, sums, counters, attended];
        // Twice: the counters must be as they were, and so must the cache.
        for (let run = 0; run < 2; run += 1) {
          kernels.launch('attendToken', { grid: [numKvHeads, splits], threads: attentionThreads, sharedBytes: attentionSharedBytes(model), isCooperative: splits > 1 }, stream.native, args);
        }
        stream.synchronize();
        const found = new Float32Array(numHeads * headDim);
        context.download(found, attended);
        const expected = attend(model, sides, position);
        const largest = expected.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
        const difference = found.reduce((top, value, i) => Math.max(top, Number.isNaN(value) ? Infinity : Math.abs(value - (expected[i] ?? 0))), 0) / largest;
        worst = Math.max(worst, difference);
        if (!(difference <= tolerance[model.kvDtype])) {
          throw new Error(`position ${position}: outputs differ by ${difference.toExponential(2)} of the largest, allowed ${tolerance[model.kvDtype]}`);
        }
        // The next position starts from the cache as it was made.
        caches.forEach((address, at) => context.upload(address, at === 0 ? sides.keyCache : sides.valueCache));
      }
      return `at most ${worst.toExponential(2)} of the largest output over ${positions.length} positions, ${splits} runs`;
    } finally {
      owned.forEach((address) => context.free(address));
    }
  },
}));

interface Inputs {
  readonly qkv: Float32Array;
  /** kvDtype[numKvHeads, contextTokens, headDim]. */
  readonly keyCache: Uint16Array | Int8Array;
  readonly valueCache: Uint16Array | Int8Array;
  /** f32[numKvHeads, headDim]. */
  readonly keyScales: Float32Array;
  readonly valueScales: Float32Array;
  /** f32[contextTokens, rotaryDim / 2, 2]: any turns will do. */
  readonly rotary: Float32Array;
}

function makeInputs(model: FusedModel, seed: number): Inputs {
  const random = createRandom(seed);
  const { numHeads, numKvHeads, headDim, contextTokens, rotaryDim, kvDtype } = model;
  const cacheElements = numKvHeads * contextTokens * headDim;
  const cache = (): Uint16Array | Int8Array => {
    const elements = kvDtype === 'i8' ? new Int8Array(cacheElements) : new Uint16Array(cacheElements);
    for (let i = 0; i < elements.length; i += 1) elements[i] = kvDtype === 'i8' ? Math.max(-128, Math.min(127, Math.round(random() * 50))) : bf16Bits(random());
    return elements;
  };
  const scales = (): Float32Array => Float32Array.from({ length: numKvHeads * headDim }, () => 0.02 * (1 + 0.2 * Math.abs(random())));
  const rotary = new Float32Array(contextTokens * rotaryDim);
  for (let i = 0; i < rotary.length; i += 2) {
    const angle = random();
    rotary[i] = Math.cos(angle);
    rotary[i + 1] = Math.sin(angle);
  }
  return { qkv: Float32Array.from({ length: (numHeads + 2 * numKvHeads) * headDim }, () => 1.5 * random()), keyCache: cache(), valueCache: cache(), keyScales: scales(), valueScales: scales(), rotary };
}

/** f64[numHeads · headDim]. */
function attend(model: FusedModel, inputs: Inputs, position: number): Float64Array {
  const { numHeads, numKvHeads, headDim } = model;
  const { qkv } = inputs;
  const [group, scale, out] = [numHeads / numKvHeads, 1 / Math.sqrt(headDim), new Float64Array(numHeads * headDim)];
  for (let kvHead = 0; kvHead < numKvHeads; kvHead += 1) {
    const newKey = rotated(model, inputs, (numHeads + kvHead) * headDim, position);
    const keys = cachedRows(model, inputs.keyCache, inputs.keyScales, kvHead, position, newKey);
    const newValue = Float64Array.from(qkv.subarray((numHeads + numKvHeads + kvHead) * headDim, (numHeads + numKvHeads + kvHead + 1) * headDim));
    const values = cachedRows(model, inputs.valueCache, inputs.valueScales, kvHead, position, newValue);
    for (let head = kvHead * group; head < (kvHead + 1) * group; head += 1) {
      const query = rotated(model, inputs, head * headDim, position);
      const weights = new Float64Array(position + 1);
      let top = -Infinity;
      for (let row = 0; row <= position; row += 1) {
        let dot = 0;
        for (let d = 0; d < headDim; d += 1) dot += (query[d] as number) * (keys[row * headDim + d] as number);
        weights[row] = dot * scale;
        top = Math.max(top, dot * scale);
      }
      let total = 0;
      for (let row = 0; row <= position; row += 1) {
        const weight = Math.exp((weights[row] as number) - top);
        total += weight;
        for (let d = 0; d < headDim; d += 1) out[head * headDim + d] = (out[head * headDim + d] as number) + weight * (values[row * headDim + d] as number);
      }
      for (let d = 0; d < headDim; d += 1) out[head * headDim + d] = (out[head * headDim + d] as number) / total;
    }
  }
  return out;
}

/** A head of qkv after rotation. */
function rotated({ headDim, rotaryDim }: FusedModel, { qkv, rotary }: Inputs, from: number, position: number): Float64Array {
  const head = Float64Array.from(qkv.subarray(from, from + headDim));
  for (let d = 0; d < rotaryDim; d += 2) {
    const [even, odd] = [head[d] as number, head[d + 1] as number];
    const [cos, sin] = [rotary[position * rotaryDim + d] as number, rotary[position * rotaryDim + d + 1] as number];
    head[d] = even * cos - odd * sin;
    head[d + 1] = odd * cos + even * sin;
  }
  return head;
}

/** Keys or values of one KV head up to `position`, whose row is new and rounded as the cache does. */
function cachedRows({ headDim, contextTokens, kvDtype }: FusedModel, cache: Uint16Array | Int8Array, scales: Float32Array, kvHead: number, position: number, fresh: Float64Array): Float64Array {
  const rows = new Float64Array((position + 1) * headDim);
  const bits = new Uint32Array(1);
  const asFloat = new Float32Array(bits.buffer);
  for (let i = 0; i < position * headDim; i += 1) {
    const element = cache[kvHead * contextTokens * headDim + i] as number;
    if (kvDtype === 'i8') {
      rows[i] = element * (scales[kvHead * headDim + (i % headDim)] as number);
    } else {
      bits[0] = element << 16;
      rows[i] = asFloat[0] as number;
    }
  }
  for (let d = 0; d < headDim; d += 1) {
    const scale = scales[kvHead * headDim + d] as number;
    const value = fresh[d] as number;
    rows[position * headDim + d] = kvDtype === 'i8' ? Math.max(-128, Math.min(127, Math.round(Math.fround(Math.fround(value) / scale)))) * scale : roundToBf16(value);
  }
  return rows;
}

/** All that a step launches. */
const kernelNames = ['embedToken', 'projectQkv', 'attendToken', 'projectOutput', 'projectGateUp', 'projectDown', 'projectLogits', 'pickFromLogits', 'pickFromPicked', 'finishStep', 'finishStage'];

/** What CUDA 13 compiles for, from Ampere to Blackwell. */
const architectures = [80, 86, 87, 89, 90, 100, 103, 110, 120, 121];

const compiled: GpuCheck = {
  name: 'decode kernels: compile for every architecture that has matrix units for bf16',
  devices: 0,
  async run() {
    const bytes: string[] = [];
    for (const architecture of architectures) {
      for (const [weightBits, kvDtype] of [[16, 'bf16'], [8, 'i8'], [4, 'bf16']] as const) {
        const image = await compileKernels(kernelSource, architecture, definesOf({ ...glm9b, weightBits, kvDtype }, defaultTuning(weightBits), 16));
        const text = image.toString('latin1');
        const missing = kernelNames.filter((name) => !text.includes(`.text.${name}`));
        if (missing.length > 0) {
          throw new Error(`${architecture}: ${missing.join(', ')} not among the kernels`);
        }
        bytes.push(`${architecture}: ${image.length}`);
      }
    }
    return `bytes of machine code, bf16, int8 and int4: ${bytes.join(', ')}`;
  },
};

export const decodeKernelChecks: readonly GpuCheck[] = [...attention, compiled];
