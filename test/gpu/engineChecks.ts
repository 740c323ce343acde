/** The engine on NVIDIA GPUs, through its process as users get it: parity, stages, batches, memory, faults. */

import { setTimeout as delay } from 'node:timers/promises';
import { CudaContext } from '../../src/cuda/cudaContext';
import { CudaDriver } from '../../src/cuda/cudaDriver';
import type { LoadOptions } from '../../src/common/protocol/engine';
import type { EngineClient } from '../../src/engine/client';
import { isGlmError } from '../../src/common/errors';
import { writeDequantized } from './dequantized';
import { generate, loadOptions, openEngine, tinyCheckpoints, usedMebibytes, type TinyCheckpoint } from './engineFixture';
import type { GpuCheck } from './harness';
import { compareLogits } from './logitDrift';

/** Twice the rms drift that transformers itself shows in bf16 on checkpoints of this kind (0.012 to 0.033), over the logits' standard deviation. */
const bf16Drift = 0.066;

async function withModel<T>(options: LoadOptions, work: (engine: EngineClient) => Promise<T>): Promise<T> {
  const engine = openEngine();
  try {
    await engine.request('model-load', options);
    return await work(engine);
  } finally {
    await engine.end();
  }
}

/** All logits after each prefix of a greedy continuation: teacher-forced, so that one different token does not hide the rest. */
async function forcedLogits(engine: EngineClient, tiny: TinyCheckpoint): Promise<readonly (readonly number[])[]> {
  const rows: (readonly number[])[] = [];
  for (const prompt of tiny.prompts) {
    for (let taken = 0; taken <= 8; taken += 1) {
      rows.push((await engine.request('logits', { ids: [...prompt.ids, ...prompt.greedyIds.slice(0, taken)] })).logits);
    }
  }
  return rows;
}

function compareRows(rows: readonly (readonly number[])[], reference: readonly (readonly number[])[], limit: number): string {
  const compared = rows.map((row, i) => compareLogits(row, reference[i] ?? []));
  const worst = Math.max(...compared.map(({ rms }) => rms));
  const same = compared.filter(({ sameTop }) => sameTop).length;
  const detail = `largest rms ${worst.toExponential(2)} standard deviations, same best token on ${same} of ${rows.length}`;
  if (!(worst <= limit) || same < rows.length * 0.85) {
    throw new Error(detail);
  }
  return detail;
}

const parity: readonly GpuCheck[] = tinyCheckpoints().flatMap((tiny) => [
  {
    name: `parity: ${tiny.name}, bf16 against f32 on the CPU`,
    async run() {
      const reference = await withModel(loadOptions(tiny.folder, { provider: 'cpu', weights: 'f32' }), (engine) => forcedLogits(engine, tiny));
      const rows = await withModel(loadOptions(tiny.folder), (engine) => forcedLogits(engine, tiny));
      return compareRows(rows, reference, bf16Drift);
    },
  },
  ...(['int8', 'int4'] as const).map(
    (weights): GpuCheck => ({
      name: `parity: ${tiny.name}, ${weights} against its dequantised weights in f32 on the CPU`,
      async run() {
        const dequantized = await writeDequantized(tiny.folder, 'cuda', weights);
        const reference = await withModel(loadOptions(dequantized, { provider: 'cpu', weights: 'f32' }), (engine) => forcedLogits(engine, tiny));
        const rows = await withModel(loadOptions(tiny.folder, { weights }), (engine) => forcedLogits(engine, tiny));
        return compareRows(rows, reference, bf16Drift);
      },
    }),
  ),
  {
    name: `fused decode agrees with prefill: ${tiny.name}`,
    run: () =>
      withModel(loadOptions(tiny.folder), async (engine) => {
        let same = 0;
        let total = 0;
        for (const prompt of tiny.prompts) {
          const { ids } = await generate(engine, prompt.ids, 24);
          for (let at = 1; at < ids.length; at += 4) {
            const { logits } = await engine.request('logits', { ids: [...prompt.ids, ...ids.slice(0, at)] });
            same += (logits[ids[at] ?? -1] ?? -Infinity) >= Math.max(...logits) - 0.1 ? 1 : 0;
            total += 1;
          }
        }
        if (same < total) {
          throw new Error(`${total - same} of ${total} tokens are more than 0.1 below the best of a prefill over the same text`);
        }
        return `${total} of ${total} tokens are the best, within 0.1, of a prefill over the same text`;
      }),
  },
  {
    name: `two stages equal one: ${tiny.name}`,
    async run() {
      const one = await withModel(loadOptions(tiny.folder), (engine) => forcedLogits(engine, tiny));
      const two = await withModel(loadOptions(tiny.folder, { numStages: 2 }), (engine) => forcedLogits(engine, tiny));
      return compareRows(two, one, 0.02);
    },
  },
  {
    name: `two GPUs equal one: ${tiny.name}`,
    devices: 2,
    async run() {
      const one = await withModel(loadOptions(tiny.folder), async (engine) => ({ rows: await forcedLogits(engine, tiny), text: (await generate(engine, tiny.prompts[1]?.ids ?? [], 24)).ids }));
      const two = await withModel(loadOptions(tiny.folder, { deviceMap: { kind: 'balanced' } }), async (engine) => ({ rows: await forcedLogits(engine, tiny), text: (await generate(engine, tiny.prompts[1]?.ids ?? [], 24)).ids }));
      const equal = one.text.filter((id, i) => id === two.text[i]).length;
      return `${compareRows(two.rows, one.rows, 0.02)}; ${equal} of 24 generated tokens equal`;
    },
  },
]);

const [first] = tinyCheckpoints();

const batch: GpuCheck = {
  name: 'batched rows equal single ones',
  run: () =>
    withModel(loadOptions(first?.folder ?? '', { maxBatch: 4 }), async (engine) => {
      const prompts = first?.prompts ?? [];
      const alone: (readonly number[])[] = [];
      for (const prompt of prompts) {
        alone.push((await generate(engine, prompt.ids, 16)).ids);
      }
      const together = await Promise.all(prompts.map((prompt) => generate(engine, prompt.ids, 16)));
      const equal = together.reduce((sum, row, i) => sum + row.ids.filter((id, at) => id === alone[i]?.[at]).length, 0);
      const total = prompts.length * 16;
      if (equal < total * 0.8) {
        throw new Error(`${equal} of ${total} tokens equal`);
      }
      return `${equal} of ${total} tokens equal (bf16 on both paths; ties may part)`;
    }),
};

const memoryCycles: GpuCheck = {
  name: 'ten further loads and unloads grow the driver by at most 64 MiB; ending the engine gives all back',
  async run() {
    const before = usedMebibytes()[0] ?? NaN;
    const engine = openEngine();
    const cycle = async (): Promise<number> => {
      await engine.request('model-load', loadOptions(first?.folder ?? '', { contextTokens: 4096, maxBatch: 4 }));
      await generate(engine, [1, 2, 3], 8);
      await engine.request('model-unload', {});
      return usedMebibytes()[0] ?? NaN;
    };
    const afterFirst = await cycle();
    let last = afterFirst;
    for (let i = 0; i < 10; i += 1) {
      last = await cycle();
    }
    await engine.end();
    await delay(1000);
    const atEnd = usedMebibytes()[0] ?? NaN;
    const detail = `${before} MiB before, ${afterFirst} after the first cycle, ${last} after ten more, ${atEnd} after the end`;
    if (!(last - afterFirst <= 64) || !(atEnd - before <= 8)) {
      throw new Error(detail);
    }
    return detail;
  },
};

const killed: GpuCheck = {
  name: 'an engine killed while decoding is noticed within a second and its memory goes back',
  async run() {
    const before = usedMebibytes()[0] ?? NaN;
    const engine = openEngine();
    await engine.request('model-load', loadOptions(first?.folder ?? '', { contextTokens: 8192 }));
    const running = generate(engine, [1, 2, 3], 8000).then(
      () => 'finished',
      (error: unknown) => (isGlmError(error) ? error.code : String(error)),
    );
    await delay(300);
    const killedAt = performance.now();
    process.kill(engine.pid ?? 0, 'SIGKILL');
    const outcome = await running;
    const noticedMs = performance.now() - killedAt;
    await delay(1500);
    const after = usedMebibytes()[0] ?? NaN;
    const detail = `${outcome} after ${noticedMs.toFixed(0)} ms, ${before} MiB before, ${after} after`;
    if (outcome === 'finished' || noticedMs > 1000 || after - before > 8) {
      throw new Error(detail);
    }
    return detail;
  },
};

const shortage = (failure: unknown): string => {
  if (!isGlmError(failure) || failure.code !== 'device-out-of-memory' || !/ GiB free/.test(failure.message)) {
    throw new Error(`expected out of memory with the free bytes, got ${String(failure)}`);
  }
  return failure.message;
};

const filledCard: GpuCheck = {
  name: 'another process fills the card between plan and load: a clear message, and a fresh engine works afterwards',
  async run() {
    using context = new CudaContext(CudaDriver.load(), 0);
    const engine = openEngine();
    const taken: bigint[] = [];
    try {
      const stop = engine.on('model-load-progress', (progress) => {
        if (progress.phase === 'loading' && taken.length === 0) {
          for (let size = context.memoryInfo().freeBytes; size > 1 << 20; size = Math.floor(size / 2)) {
            try {
              taken.push(context.allocate(size));
            } catch {
              // A smaller piece may still fit.
            }
          }
        }
      });
      const big = process.env.GLM_BIG_CHECKPOINT;
      if (big === undefined) {
        return 'not run: GLM_BIG_CHECKPOINT names no checkpoint whose load takes seconds';
      }
      const options = loadOptions(big, { contextTokens: 1024 });
      const failure = await engine.request('model-load', options).then(
        () => undefined,
        (error: unknown) => error,
      );
      stop();
      taken.splice(0).forEach((address) => context.free(address));
      const message = shortage(failure);
      // As the supervisor does it: every load gets a process of its own.
      const ids = await withModel(options, async (fresh) => (await generate(fresh, [1, 2, 3], 4)).ids);
      return `"${message}"; loaded and generated ${ids.length} tokens afterwards`;
    } finally {
      taken.forEach((address) => context.free(address));
      await engine.end();
    }
  },
};

/** Takes all of the first GPU's memory but `leaveBytes`, while `work` runs. */
async function withFilledCard<T>(leaveBytes: number, work: () => Promise<T>): Promise<T> {
  using context = new CudaContext(CudaDriver.load(), 0);
  const taken: bigint[] = [];
  for (let size = context.memoryInfo().freeBytes; size > 1 << 21; size = Math.floor(size / 2)) {
    while (context.memoryInfo().freeBytes - leaveBytes >= size) {
      try {
        taken.push(context.allocate(size));
      } catch {
        break; // A smaller piece may still fit.
      }
    }
  }
  try {
    return await work();
  } finally {
    taken.forEach((address) => context.free(address));
  }
}

const failureOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

const outOfMemoryLoading: GpuCheck = {
  name: 'out of memory while loading says the numbers, and the same engine process loads afterwards',
  async run() {
    const big = process.env.GLM_BIG_CHECKPOINT;
    if (big === undefined) {
      return 'not run: GLM_BIG_CHECKPOINT names no checkpoint of many gigabytes';
    }
    const engine = openEngine();
    try {
      // While the weights are packed the plan stands and nothing has been allocated yet, so the memory that was planned with is surely gone.
      const options = loadOptions(big, { contextTokens: 1024, weights: 'int4' });
      let failure: unknown;
      let filled: Promise<void> = Promise.resolve();
      const stop = engine.on('model-load-progress', (progress) => {
        if (progress.phase === 'packing' && failure === undefined && filled === noWork) {
          filled = withFilledCard(1024 ** 3, async () => {
            failure = await loading;
          });
        }
      });
      const noWork = filled;
      const loading = failureOf(engine.request('model-load', options));
      await loading;
      await filled;
      stop();
      const message = shortage(failure);
      await engine.request('model-load', options);
      const { ids } = await generate(engine, [1, 2, 3], 4);
      return `"${message}"; the second load generated ${ids.length} tokens`;
    } finally {
      await engine.end();
    }
  },
};

const outOfMemoryDecoding: GpuCheck = {
  name: 'a card that is filled after loading stops no answer, or the answer says the numbers and the next one works',
  async run() {
    const big = process.env.GLM_BIG_CHECKPOINT;
    if (big === undefined) {
      return 'not run: GLM_BIG_CHECKPOINT names no checkpoint of many gigabytes';
    }
    return withModel(loadOptions(big, { contextTokens: 8192, maxBatch: 4 }), async (engine) => {
      const prompt = Array.from({ length: 4096 }, (_, i) => 100 + i);
      // Loading takes what the longest chunk of a prompt needs; should the runtime ask for more all the same, it must say so well.
      const failure = await withFilledCard(16 * 1024 ** 2, () => failureOf(generate(engine, prompt, 4)));
      const outcome = failure === undefined ? 'answered on a full card' : `"${shortage(failure)}"`;
      const { ids } = await generate(engine, prompt, 4);
      return `${outcome}; then ${ids.length} tokens after ${prompt.length}`;
    });
  },
};

const hiddenGpu: GpuCheck = {
  name: 'a GPU hidden by CUDA_VISIBLE_DEVICES is refused by name',
  async run() {
    const engine = openEngine({ CUDA_VISIBLE_DEVICES: '' });
    try {
      const failure = await engine.request('model-load', loadOptions(first?.folder ?? '')).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!isGlmError(failure) || failure.code === 'internal') {
        throw new Error(`expected an error of ours, got ${String(failure)}`);
      }
      return `${failure.code}: "${failure.message}"`;
    } finally {
      await engine.end();
    }
  },
};

export const engineChecks: readonly GpuCheck[] = [...parity, batch, memoryCycles, killed, filledCard, outOfMemoryLoading, outOfMemoryDecoding, hiddenGpu];
