/** The engine as it really is: its bundle in a process of its own, a tiny checkpoint, and everything that can go wrong around it. */

import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { GenerateParams, GenerateResult, LoadOptions, TokenDelta } from '../../src/common/protocol/engine';
import { defaultLength, greedySampling } from '../../src/common/sampling';
import { EngineSupervisor, startEngine, type EngineClient, type EngineLostError } from '../../src/engine/client';
import { buildBundles, buildProgram, type Bundles } from '../fakes/bundles';
import { temporaryFolder, tinyLoadOptions, type TemporaryFolder } from '../fakes/checkpoints';

let bundles: Bundles;
let cache: TemporaryFolder;
const engines: EngineClient[] = [];

beforeAll(async () => {
  bundles = await buildBundles(['engineWorker', 'packThread']);
  cache = temporaryFolder();
}, 60_000);
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.end()));
});
afterAll(() => {
  bundles.remove();
  cache.remove();
});

function start(): EngineClient {
  const engine = startEngine({ workerPath: bundles.path('engineWorker') });
  engines.push(engine);
  return engine;
}

async function loaded(changes: Partial<LoadOptions> = {}): Promise<EngineClient> {
  const engine = start();
  await engine.request('model-load', tinyLoadOptions('tiny-glm', cache.path, changes));
  return engine;
}

let nextId = 0;
function ask(promptIds: readonly number[], changes: Partial<GenerateParams> & { readonly maxNewTokens?: number } = {}): GenerateParams {
  const { maxNewTokens = 20, ...rest } = changes;
  return {
    generationId: `g${nextId++}`,
    prompt: { kind: 'ids', ids: promptIds },
    options: { ...greedySampling, ...defaultLength, ignoreEos: true, maxNewTokens },
    ...rest,
  };
}

/** A prompt whose prefill takes seconds: attention over a long context is slow even in a tiny model. */
const longPrompt = Array.from({ length: 12_000 }, (_, position) => (position * 7) % 500);
const longContext = { contextTokens: 16_384 };
const firstPrefill = (engine: EngineClient, params: GenerateParams, signal?: AbortSignal): { readonly started: Promise<void>; readonly result: Promise<GenerateResult> } => {
  let onStart: () => void = () => undefined;
  const started = new Promise<void>((resolve) => (onStart = resolve));
  return { started, result: engine.generate(params, { onPrefill: ({ doneTokens }) => doneTokens > 0 && onStart() }, signal) };
};

async function lossAfterKill(engine: EngineClient): Promise<EngineLostError> {
  const killedMs = performance.now();
  const loss = new Promise<EngineLostError>((resolve) => engine.onLost(resolve));
  process.kill(engine.pid ?? 0, 'SIGKILL');
  const error = await loss;
  expect(performance.now() - killedMs).toBeLessThan(1000);
  expect(error.fields.signal).toBe('SIGKILL');
  return error;
}

describe('an engine process that is killed', () => {
  it('in load: noticed within a second, the load rejects', async () => {
    const engine = start();
    const reading = new Promise<void>((resolve) => engine.on('model-load-progress', () => resolve()));
    const load = engine.request('model-load', tinyLoadOptions('tiny-glm', cache.path)).catch((error: unknown) => error);
    await reading;
    const error = await lossAfterKill(engine);
    expect(await load).toBe(error);
  });

  it('in prefill: noticed within a second, the generation rejects', async () => {
    const engine = await loaded(longContext);
    const { started, result } = firstPrefill(engine, ask(longPrompt));
    const outcome = result.catch((error: unknown) => error);
    await started;
    const error = await lossAfterKill(engine);
    expect(await outcome).toBe(error);
  });

  it('in decode: what was streamed stays, and a reload answers the same', async () => {
    const supervisor = new EngineSupervisor({ start });
    await supervisor.load(tinyLoadOptions('tiny-glm', cache.path));
    const whole = await supervisor.generate(ask([1, 2, 3], { maxNewTokens: 40 }), {});
    const streamed: number[] = [];
    const broken = supervisor
      .generate(ask([1, 2, 3], { maxNewTokens: 1500 }), {
        onDelta: ({ ids }) => {
          if (streamed.length === 0) {
            process.kill(supervisor.engine?.pid ?? 0, 'SIGKILL');
          }
          streamed.push(...ids);
        },
      })
      .catch((error: unknown) => error);
    expect(await broken).toMatchObject({ code: 'engine-lost' });
    expect(streamed.length).toBeGreaterThan(0);
    expect(supervisor.state.kind).toBe('lost');
    await supervisor.reload();
    const again = await supervisor.generate(ask([1, 2, 3], { maxNewTokens: 40 }), {});
    expect(again.ids).toEqual(whole.ids);
    expect(whole.ids.slice(0, streamed.length)).toEqual(streamed.slice(0, 40));
    await supervisor.dispose();
  });
});

describe('cancelling', () => {
  it('in prefill ends it within a chunk, and the slot is as good as new', async () => {
    const engine = await loaded(longContext);
    const controller = new AbortController();
    const { started, result } = firstPrefill(engine, ask(longPrompt, { conversationKey: 'c' }), controller.signal);
    await started;
    const abortedMs = performance.now();
    controller.abort();
    expect(await result).toMatchObject({ stopReason: 'cancelled', ids: [], promptTokens: longPrompt.length });
    expect(performance.now() - abortedMs).toBeLessThan(1500);
    const after = await engine.generate(ask(longPrompt.slice(0, 600), { conversationKey: 'c' }), {});
    const fresh = await engine.generate(ask(longPrompt.slice(0, 600), { conversationKey: 'other' }), {});
    expect(after.reusedTokens).toBeGreaterThan(0);
    expect(after.ids).toEqual(fresh.ids);
  });

  it('in decode keeps what was made; a second cancel changes nothing', async () => {
    const engine = await loaded(longContext);
    const controller = new AbortController();
    const streamed: number[] = [];
    const result = await engine.generate(
      ask([5, 6, 7], { maxNewTokens: 10_000 }),
      {
        onDelta: ({ ids }) => {
          streamed.push(...ids);
          controller.abort();
          controller.abort();
        },
      },
      controller.signal,
    );
    expect(result.stopReason).toBe('cancelled');
    expect(result.ids.length).toBeLessThan(500);
    expect(streamed).toEqual(result.ids);
    const after = await engine.generate(ask([5, 6, 7], { maxNewTokens: 5 }), {});
    expect(after.ids.slice(0, result.ids.length)).toEqual(result.ids.slice(0, 5));
  });

  it('in load leaves nothing behind, and the same engine loads again', async () => {
    const folder = temporaryFolder();
    const engine = start();
    const controller = new AbortController();
    engine.on('model-load-progress', () => controller.abort());
    const options = tinyLoadOptions('tiny-glm4', folder.path, { weights: 'int4' });
    await expect(engine.request('model-load', options, controller.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(await engine.request('memory-report', {})).toEqual([]);
    const left = existsSync(folder.path) ? readdirSync(folder.path, { recursive: true, encoding: 'utf8' }) : [];
    expect(left.filter((name) => /tmp|lock|partial/i.test(name))).toEqual([]);
    const model = await engine.request('model-load', options);
    expect(model.weights).toBe('int4');
    folder.remove();
  });
});

describe('an engine at work', () => {
  it('gives two generations at once what each gets alone', async () => {
    const engine = await loaded();
    const first = ask([1, 2, 3, 4], { maxNewTokens: 30 });
    const second = ask([9, 8], { maxNewTokens: 50 });
    const alone = [await engine.generate(first, {}), await engine.generate(second, {})];
    const together = await Promise.all([engine.generate({ ...first, generationId: 'x' }, {}), engine.generate({ ...second, generationId: 'y' }, {})]);
    expect(together.map((result) => result.ids)).toEqual(alone.map((result) => result.ids));
  });

  it('streams exactly the ids and the text of the result, at most once in 16 ms', async () => {
    const engine = await loaded();
    const deltas: TokenDelta[] = [];
    const result = await engine.generate(ask([1, 2, 3], { maxNewTokens: 300 }), { onDelta: (delta) => deltas.push(delta) });
    expect(deltas.flatMap((delta) => delta.ids)).toEqual(result.ids);
    expect(deltas.map((delta) => delta.text).join('')).toBe(result.text);
    expect(deltas.length).toBeLessThan(2 + result.totalMs / 16);
  });

  it('reuses the prefix of a conversation with the tokens of a fresh run', async () => {
    const engine = await loaded();
    const turn = await engine.generate(ask([1, 2, 3, 4, 5], { conversationKey: 'a', maxNewTokens: 10 }), {});
    const next = [1, 2, 3, 4, 5, ...turn.ids, 11, 12];
    const reused = await engine.generate(ask(next, { conversationKey: 'a' }), {});
    await engine.request('conversation-forget', { conversationKey: 'a' });
    const fresh = await engine.generate(ask(next, { conversationKey: 'a' }), {});
    expect(reused.reusedTokens).toBeGreaterThanOrEqual(14);
    expect(fresh.reusedTokens).toBe(0);
    expect(reused.ids).toEqual(fresh.ids);
  });

  it('needs at most a fifth of the time for the first token of a second turn of 2,000 tokens', async () => {
    const engine = await loaded({ contextTokens: 4096 });
    const prompt = longPrompt.slice(0, 2000);
    await engine.generate(ask(longPrompt.slice(0, 32)), {});
    const first = await engine.generate(ask(prompt, { conversationKey: 'turns', maxNewTokens: 16 }), {});
    const second = await engine.generate(ask([...prompt, ...first.ids, 21, 22, 23], { conversationKey: 'turns', maxNewTokens: 4 }), {});
    expect(second.reusedTokens).toBeGreaterThanOrEqual(2015);
    expect((second.ttftMs ?? Infinity) / (first.ttftMs ?? 0), `${second.ttftMs} ms after ${first.ttftMs} ms`).toBeLessThan(0.2);
  });

  it('keeps its heartbeat and answers other requests during a long prefill', async () => {
    const engine = await loaded(longContext);
    const beats: number[] = [];
    engine.on('heartbeat', () => beats.push(performance.now()));
    const startedMs = performance.now();
    const { started, result } = firstPrefill(engine, ask(longPrompt, { maxNewTokens: 1 }));
    let isDone = false;
    void result.then(() => (isDone = true));
    await started;
    expect((await engine.request('tokenize', { text: 'Hello', mode: 'plain' })).ids.length).toBeGreaterThan(0);
    expect(isDone).toBe(false);
    await result;
    const gaps = [startedMs, ...beats, performance.now()].map((timeMs, index, times) => timeMs - (times[index - 1] ?? timeMs));
    expect(Math.max(...gaps)).toBeLessThan(3000);
    expect(engine.responsive).toBe(true);
  });

  it('frees everything when unloaded while generating; the generation ends as cancelled', async () => {
    const engine = await loaded(longContext);
    const running = engine.generate(ask([1, 2, 3], { maxNewTokens: 10_000 }), {});
    const { freedBytes } = await engine.request('model-unload', {});
    expect((await running).stopReason).toBe('cancelled');
    expect(freedBytes).toBeGreaterThan(100_000);
    expect(await engine.request('memory-report', {})).toEqual([]);
    await expect(engine.generate(ask([1]), {})).rejects.toMatchObject({ code: 'no-model' });
    await engine.request('model-load', tinyLoadOptions('tiny-edge', cache.path));
    expect((await engine.generate(ask([1]), {})).ids).toHaveLength(20);
  });

  it('announces a context that will not hold the answer, and stops there', async () => {
    const engine = await loaded({ contextTokens: 64 });
    const limits: unknown[] = [];
    const result = await engine.generate(ask(longPrompt.slice(0, 50), { maxNewTokens: 100 }), { onContextLimit: ({ roomTokens }) => limits.push(roomTokens) });
    expect(limits).toEqual([14]);
    expect(result.stopReason).toBe('context');
  });

  it('computes logits between generations without disturbing them', async () => {
    const engine = await loaded();
    const running = engine.generate(ask([1, 2, 3], { maxNewTokens: 200 }), {});
    const logits = await engine.request('logits', { ids: [1, 2, 3] });
    const { ids } = await running;
    expect(logits.logits.indexOf(Math.max(...logits.logits))).toBe(ids[0]);
  });
});

describe('requests that cannot be answered', () => {
  it('says what is wrong with each', async () => {
    const engine = await loaded({ contextTokens: 128 });
    const codeOf = (request: Promise<unknown>): Promise<unknown> => request.then(() => 'no error', (error: { readonly code?: unknown }) => error.code);
    expect(await codeOf(engine.generate(ask(longPrompt.slice(0, 200)), {}))).toBe('prompt-too-long');
    expect(await codeOf(engine.generate(ask([]), {}))).toBe('prompt-empty');
    expect(await codeOf(engine.generate(ask([1_000_000]), {}))).toBe('bad-token-id');
    expect(await codeOf(engine.request('logits', { ids: [-1] }))).toBe('bad-token-id');
    expect(await codeOf(engine.request('logits', { ids: longPrompt.slice(0, 200) }))).toBe('prompt-too-long');
    expect(await codeOf(engine.request('model-load', tinyLoadOptions('tiny-glm', cache.path)))).toBe('already-loaded');
    expect(await codeOf(engine.request('no-such-request' as 'memory-report', {}))).toBe('unknown-request');
    expect(await codeOf(engine.request('model-describe', { source: join(cache.path, 'nowhere') }))).toBe('checkpoint-not-found');
    expect((await engine.generate(ask([1]), {})).ids).toHaveLength(20);
  });

  it('refuses a pasted 5 MB at once', async () => {
    const engine = await loaded();
    const startedMs = performance.now();
    const prompt = { kind: 'text', text: 'All work and no play makes Jack a dull boy. '.repeat(120_000) } as const;
    await expect(engine.generate(ask([], { prompt }), {})).rejects.toMatchObject({ code: 'prompt-too-long' });
    expect(performance.now() - startedMs).toBeLessThan(2000);
  });

  it('tokenizes a long text beside other requests, as in one go, and can be cancelled', async () => {
    const engine = await loaded();
    const text = 'All work and no play makes Jack a dull boy.\n'.repeat(4000);
    const long = engine.request('tokenize', { text, mode: 'plain' });
    expect((await engine.request('tokenize', { text: 'Hello', mode: 'plain' })).ids.length).toBeGreaterThan(0);
    const { ids } = await long;
    expect((await engine.request('detokenize', { ids, skipSpecial: false })).text).toBe(text);
    const controller = new AbortController();
    const cancelled = engine.request('tokenize', { text: text.repeat(20), mode: 'plain' }, controller.signal);
    setTimeout(() => controller.abort(), 50);
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('names a runtime library that is not there or is no library, and stays usable', async () => {
    const engine = start();
    const broken = join(cache.path, 'libonnxruntime.so.1');
    writeFileSync(broken, 'not a library');
    for (const ortLibrary of [join(cache.path, 'missing'), broken]) {
      await expect(engine.request('model-load', tinyLoadOptions('tiny-glm', cache.path, { ortLibrary }))).rejects.toMatchObject({ code: 'runtime-library-not-loaded' });
    }
    expect((await engine.request('model-load', tinyLoadOptions('tiny-glm', cache.path))).runtimeVersion).toMatch(/^1\./);
  });
});

describe('the end of an engine process', () => {
  it('comes by itself when its host has gone', async () => {
    const script = join(cache.path, 'host.cjs');
    writeFileSync(
      script,
      `const child = require('node:child_process').fork(${JSON.stringify(bundles.path('engineWorker'))}, [], { serialization: 'advanced' });
       child.once('message', () => { process.stdout.write(String(child.pid)); setInterval(() => {}, 1000); });`,
    );
    const host = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pid = Number(await new Promise<Buffer>((resolve) => host.stdout.once('data', resolve)));
    expect(isAlive(pid)).toBe(true);
    host.kill('SIGKILL');
    const killedMs = performance.now();
    while (isAlive(pid) && performance.now() - killedMs < 5000) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(isAlive(pid)).toBe(false);
  });

  it('after an unexpected error reports it and has an exit code of its own', async () => {
    const outfile = join(bundles.folder, 'failing.js');
    await buildProgram(
      `import { runEngineProcess } from './src/engine/worker/engineProcess'; runEngineProcess(__filename); setTimeout(() => { throw new RangeError('provoked'); }, 50);`,
      outfile,
    );
    const engine = startEngine({ workerPath: outfile });
    const error = await new Promise<EngineLostError>((resolve) => engine.onLost(resolve));
    expect(error.message).toBe('The engine process ended with exit code 70. Its last line was: Unexpected error: RangeError: provoked');
  });

  it('is quick when asked for in the middle of a prefill', async () => {
    const engine = await loaded(longContext);
    const { started, result } = firstPrefill(engine, ask(longPrompt));
    void result.catch(() => undefined);
    await started;
    const askedMs = performance.now();
    expect((await engine.end()).exitCode).toBe(0);
    expect(performance.now() - askedMs).toBeLessThan(2500);
  });
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
