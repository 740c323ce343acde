/** Speed of the fused kernels on the 9B shape with random weights, and the share of the device's own copy bandwidth that they reach. */

import { CudaContext } from '../../src/cuda/cudaContext';
import { CudaDriver } from '../../src/cuda/cudaDriver';
import { compileFusedKernels, FusedDecoder, type FusedLayer, type FusedMatrix, type FusedStage } from '../../src/cuda/decode/fusedDecoder';
import { defaultTuning, type FusedModel, type FusedTuning } from '../../src/cuda/decode/fusedModel';
import { glm9bShape } from '../fakes/glm9bShape';
import { bf16Bits, createRandom } from './fusedFixture';

const shape: Omit<FusedModel, 'weightBits'> = { ...glm9bShape, contextTokens: 8448 };

/** Random bytes once, then copied over and over: zeros would run faster than real weights. */
class RandomMemory {
  private readonly owned: bigint[] = [];
  private readonly sources: Readonly<Record<'bf16' | 'codes' | 'scales', { readonly address: bigint; readonly bytes: number }>>;

  constructor(private readonly context: CudaContext) {
    const random = createRandom(1);
    const count = 1 << 22;
    const source = (data: ArrayBufferView): { address: bigint; bytes: number } => {
      const address = this.allocate(data.byteLength);
      context.upload(address, data);
      return { address, bytes: data.byteLength };
    };
    this.sources = {
      bf16: source(Uint16Array.from({ length: count }, () => bf16Bits(random() * 0.015))),
      codes: source(Uint8Array.from({ length: count }, () => Math.floor(Math.abs(random() * 1000)) & 255)),
      scales: source(new Uint16Array(count).fill(0x3b80)),
    };
  }

  allocate(bytes: number): bigint {
    const address = this.context.allocate(bytes);
    this.owned.push(address);
    return address;
  }

  filled(bytes: number, kind: 'bf16' | 'codes' | 'scales'): bigint {
    const address = this.allocate(bytes);
    const source = this.sources[kind];
    for (let at = 0; at < bytes; at += source.bytes) {
      this.context.copyWithin(address + BigInt(at), source.address, Math.min(source.bytes, bytes - at));
    }
    return address;
  }

  matrix(rows: number, columns: number, bits: number): FusedMatrix {
    return bits === 16 ? { weights: this.filled(rows * columns * 2, 'bf16') } : { weights: this.filled((rows * columns * bits) / 8, 'codes'), scales: this.filled((rows * columns) / 16, 'scales') };
  }

  scales(channels: number): bigint {
    const address = this.allocate(channels * 4);
    this.context.upload(address, new Float32Array(channels).fill(0.02));
    return address;
  }

  free(): void {
    this.owned.splice(0).forEach((address) => this.context.free(address));
  }
}

function createStage(memory: RandomMemory, model: FusedModel): { readonly stage: FusedStage; readonly bytes: number } {
  const { hiddenSize, intermediateSize, numHeads, numKvHeads, headDim, vocabSize, weightBits, contextTokens } = model;
  const [querySize, kvSize] = [numHeads * headDim, numKvHeads * headDim];
  const layers = Array.from({ length: 40 }, (): FusedLayer => {
    const cache = (): bigint => (model.kvDtype === 'i8' ? memory.filled(contextTokens * kvSize, 'codes') : memory.filled(contextTokens * kvSize * 2, 'bf16'));
    const norm = (): bigint => memory.filled(hiddenSize * 2, 'bf16');
    return {
      inputNorm: norm(),
      q: memory.matrix(querySize, hiddenSize, weightBits),
      k: memory.matrix(kvSize, hiddenSize, weightBits),
      v: memory.matrix(kvSize, hiddenSize, weightBits),
      qBias: memory.filled(querySize * 2, 'bf16'),
      kBias: memory.filled(kvSize * 2, 'bf16'),
      vBias: memory.filled(kvSize * 2, 'bf16'),
      o: memory.matrix(hiddenSize, querySize, weightBits),
      postSelfAttentionNorm: norm(),
      postAttentionNorm: norm(),
      gateUp: memory.matrix(2 * intermediateSize, hiddenSize, weightBits),
      down: memory.matrix(hiddenSize, intermediateSize, weightBits),
      postMlpNorm: norm(),
      keyCache: cache(),
      valueCache: cache(),
      ...(model.kvDtype === 'i8' ? { keyScales: memory.scales(kvSize), valueScales: memory.scales(kvSize) } : {}),
    };
  });
  const parameters = 40 * ((querySize + 2 * kvSize) * hiddenSize + querySize * hiddenSize + 3 * intermediateSize * hiddenSize) + vocabSize * hiddenSize;
  const bytesPerParameter = weightBits === 16 ? 2 : weightBits / 8 + 2 / 32;
  return {
    stage: { layers, embedding: memory.filled(vocabSize * hiddenSize * 2, 'bf16'), finalNorm: memory.filled(hiddenSize * 2, 'bf16'), head: memory.matrix(vocabSize, hiddenSize, weightBits) },
    bytes: parameters * bytesPerParameter,
  };
}

/** Prints a table: precision, tuning, position → ms per step, tok/s, bytes per second. */
export async function measureFusedDecoder(print: (line: string) => void): Promise<void> {
  using context = new CudaContext(CudaDriver.load(), 0);
  const copyBytes = 1 << 30;
  const [a, b] = [context.allocate(copyBytes), context.allocate(copyBytes)];
  const copyMs = await median(9, () => {
    context.copyWithin(b, a, copyBytes);
    context.synchronize();
  });
  [a, b].forEach((address) => context.free(address));
  const limit = (2 * copyBytes) / (copyMs / 1000);
  print(`${context.facts.name}: a device copy moves ${(limit / 1e12).toFixed(2)} TB/s (bytes read and written)`);
  const wantedBits = ([16, 4, 8] as const).filter((bits) => (process.env.GLM_BITS ?? '16,4,8').split(',').includes(String(bits)));
  const variants = wantedBits.flatMap((weightBits) => (['bf16', 'i8'] as const).map((kvDtype) => ({ weightBits, kvDtype })));
  for (const { weightBits, kvDtype } of variants) {
    const memory = new RandomMemory(context);
    const model: FusedModel = { ...shape, weightBits, kvDtype };
    const { stage, bytes } = createStage(memory, model);
    for (const tuning of process.env.GLM_TUNE === '1' ? tuningsOf(weightBits) : [defaultTuning(model.weightBits)]) {
      const started = performance.now();
      using decoder = FusedDecoder.create(context, model, stage, await compileFusedKernels(context, model, tuning), tuning);
      const compileMs = performance.now() - started;
      for (const position of [512, 8192]) {
        decoder.prepare(1, position);
        const ms = await median(25, () => {
          decoder.start();
          decoder.readTop();
        });
        print(
          `${weightBits} bits, ${kvDtype} cache, ${tuning.threads} threads × ${tuning.blocksPerMultiprocessor}, ${tuning.rows} rows, depth ${tuning.depth}, overlap ${tuning.overlap}, at ${position}: ${ms.toFixed(3)} ms = ${(1000 / ms).toFixed(1)} tok/s, ${(bytes / ms / 1e9).toFixed(2)} TB/s = ${((bytes / (ms / 1000) / limit) * 100).toFixed(0)} % of the copy (compiled in ${compileMs.toFixed(0)} ms)`,
        );
      }
    }
    memory.free();
  }
}

function tuningsOf(weightBits: FusedModel['weightBits']): readonly FusedTuning[] {
  const usual = defaultTuning(weightBits);
  const other = (changes: Partial<FusedTuning>): FusedTuning => ({ ...usual, ...changes });
  return weightBits === 16
    ? [usual, other({ overlap: true }), other({ depth: 2, blocksPerMultiprocessor: 2 }), other({ threads: 768, depth: 2 }), other({ splits: 33 })]
    : [usual, other({ overlap: true }), other({ threads: 640 }), other({ threads: 768, depth: 1 }), other({ rows: 4, depth: 1 }), other({ splits: 33 })];
}

async function median(count: number, run: () => void): Promise<number> {
  run();
  const times: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const started = performance.now();
    run();
    times.push(performance.now() - started);
  }
  await Promise.resolve();
  return times.sort((x, y) => x - y)[count >> 1] ?? NaN;
}
