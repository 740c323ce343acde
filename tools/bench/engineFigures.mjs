// Figures of the engine process: time to first token of a second turn, cost of streaming, how soon a cancel and an exit are noticed.
//   npm run build && node tools/bench/engineFigures.mjs --model models/glm-local-demo-chat [--weights f32] [--tokens 2000] [--stream 2000] [--runs 5] [--json]
// Talks to dist/engineWorker.js as a host does. Every figure is a median of the runs; all samples are in the JSON.
import { fork } from 'node:child_process';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    weights: { type: 'string', default: 'auto' },
    tokens: { type: 'string', default: '2000' },
    runs: { type: 'string', default: '5' },
    stream: { type: 'string', default: '2000' },
    context: { type: 'string', default: '4096' },
    threads: { type: 'string' },
    worker: { type: 'string', default: join(root, 'dist', 'engineWorker.js') },
    cache: { type: 'string', default: join(tmpdir(), 'glm-engine-figures') },
    json: { type: 'boolean', default: false },
  },
});
if (values.model === undefined) {
  process.stderr.write('Usage: node tools/bench/engineFigures.mjs --model FOLDER [--weights FORMAT] [--tokens N] [--runs N] [--json]\n');
  process.exit(2);
}
const runs = Number(values.runs);
const promptTokens = Number(values.tokens);

class Engine {
  #child;
  #pending = new Map();
  #listeners = new Set();
  #nextId = 1;

  constructor() {
    this.#child = fork(values.worker, [], { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.#child.on('message', (message) => {
      if (message.kind === 'event') {
        this.#listeners.forEach((listener) => listener(message));
      } else {
        const { resolve: settle, reject } = this.#pending.get(message.id);
        this.#pending.delete(message.id);
        if (message.error === undefined) {
          settle(message.result);
        } else {
          reject(new Error(`${message.error.code}: ${message.error.message}`));
        }
      }
    });
  }

  request(method, params) {
    const id = this.#nextId++;
    this.#child.send({ kind: 'request', id, method, params });
    return Object.assign(new Promise((settle, reject) => this.#pending.set(id, { resolve: settle, reject })), { cancel: () => this.#child.send({ kind: 'cancel', id }) });
  }

  onEvent(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Kills the process; resolves with the milliseconds until the exit was noticed. */
  kill() {
    const killedMs = performance.now();
    const noticed = new Promise((settle) => this.#child.once('exit', () => settle(performance.now() - killedMs)));
    process.kill(this.#child.pid, 'SIGKILL');
    return noticed;
  }
}

const median = (samples) => [...samples].sort((a, b) => a - b)[Math.floor(samples.length / 2)];
const greedy = { doSample: false, temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1, stopStrings: [], ignoreEos: true };
let generation = 0;
const ask = (ids, newTokens, conversationKey) => ({
  generationId: `g${generation++}`,
  conversationKey,
  prompt: { kind: 'ids', ids },
  options: { ...greedy, maxNewTokens: newTokens, minNewTokens: newTokens },
});

const startedMs = performance.now();
const engine = new Engine();
const description = await engine.request('model-describe', { source: resolve(values.model) });
const startMs = performance.now() - startedMs;
const loaded = await engine.request('model-load', {
  source: resolve(values.model),
  provider: 'auto',
  weights: values.weights,
  kvCache: 'auto',
  contextTokens: Number(values.context),
  maxBatch: 1,
  deviceMap: { kind: 'auto' },
  allowSoftwareGpu: false,
  cpuThreads: values.threads === undefined ? undefined : Number(values.threads),
  cacheFolder: values.cache,
  alignment: 'off',
});

// Ids that repeat with no short period, below every special token of the vocabularies in use.
const idsFrom = (start, count) => Array.from({ length: count }, (_, index) => 10 + (((start + index) * 7919) % Math.floor(description.vocabSize * 0.9)));
const samples = { firstTtftMs: [], secondTtftMs: [], reusedTokens: [], engineTokensPerSecond: [], hostTokensPerSecond: [], hostDelayMs: [], events: [], cancelPrefillMs: [], cancelDecodeMs: [] };

await engine.request('generate', ask(idsFrom(1, 64), 8));
for (let run = 0; run < runs; run += 1) {
  const prompt = idsFrom(run * 10_007, promptTokens);
  const key = `turns-${run}`;
  const first = await engine.request('generate', ask(prompt, 48, key));
  const second = await engine.request('generate', ask([...prompt, ...first.ids, ...idsFrom(run + 5, 40)], 8, key));
  samples.firstTtftMs.push(first.ttftMs);
  samples.secondTtftMs.push(second.ttftMs);
  samples.reusedTokens.push(second.reusedTokens);
  await engine.request('conversation-forget', { conversationKey: key });
}

// Events carry several tokens, so speed by the host's clock is counted from the first event's tokens to the last one's.
const streamTokens = Math.min(Number(values.stream), Number(values.context) - 32);
for (let run = 0; run < runs; run += 1) {
  let first;
  let last;
  let count = 0;
  const stop = engine.onEvent((event) => {
    if (event.name === 'token-delta') {
      last = { atMs: performance.now(), tokens: event.payload.generatedTokens };
      first ??= last;
      count += 1;
    }
  });
  const submittedMs = performance.now();
  const result = await engine.request('generate', ask(idsFrom(run, 16), streamTokens));
  const endMs = performance.now();
  stop();
  samples.engineTokensPerSecond.push(result.decodeTokensPerSecond);
  samples.hostTokensPerSecond.push(((last.tokens - first.tokens) / (last.atMs - first.atMs)) * 1000);
  samples.hostDelayMs.push(endMs - submittedMs - result.totalMs - result.tokenizeMs);
  samples.events.push(count);
}

for (let run = 0; run < runs; run += 1) {
  for (const [wanted, sample, ids, newTokens] of [
    ['prefill-progress', samples.cancelPrefillMs, idsFrom(run * 31_337, promptTokens), 1],
    ['token-delta', samples.cancelDecodeMs, idsFrom(run, 16), 2000],
  ]) {
    const request = engine.request('generate', ask(ids, newTokens));
    let cancelledMs;
    const stop = engine.onEvent((event) => {
      if (event.name === wanted && cancelledMs === undefined) {
        cancelledMs = performance.now();
        request.cancel();
      }
    });
    await request;
    sample.push(performance.now() - cancelledMs);
    stop();
  }
}
const running = engine.request('generate', ask(idsFrom(3, promptTokens), 100));
running.catch(() => undefined);
const exitNoticedMs = await engine.kill();

const medians = Object.fromEntries(Object.entries(samples).map(([name, list]) => [name, median(list)]));
const report = {
  model: description.name,
  weights: loaded.weights,
  devices: [...new Set(loaded.plan.stages.map((stage) => stage.device))],
  runtimeVersion: loaded.runtimeVersion,
  promptTokens,
  runs,
  startMs,
  loadMs: loaded.loadMs,
  medians,
  secondTurnShare: medians.secondTtftMs / medians.firstTtftMs,
  exitNoticedMs,
  samples,
};
if (values.json) {
  process.stdout.write(`${JSON.stringify(report)}\n`);
} else {
  const { firstTtftMs, secondTtftMs, reusedTokens, engineTokensPerSecond, hostTokensPerSecond, hostDelayMs, events, cancelPrefillMs, cancelDecodeMs } = medians;
  process.stdout.write(
    [
      `${report.model}, ${report.weights} on ${report.devices.join(', ')}, medians of ${runs}`,
      `start to first answer ${startMs.toFixed(0)} ms, load ${report.loadMs.toFixed(0)} ms`,
      `TTFT of a ${promptTokens}-token first turn ${firstTtftMs.toFixed(0)} ms, of the second turn ${secondTtftMs.toFixed(0)} ms (${reusedTokens} tokens reused): ${(report.secondTurnShare * 100).toFixed(1)} %`,
      `decode ${engineTokensPerSecond.toFixed(1)} tok/s in the engine, ${hostTokensPerSecond.toFixed(1)} tok/s by the host's clock (${((hostTokensPerSecond / engineTokensPerSecond - 1) * 100).toFixed(2)} %) over ${events} events for ${streamTokens} tokens; the result arrives ${hostDelayMs.toFixed(1)} ms after the engine's own end`,
      `cancel answered after ${cancelPrefillMs.toFixed(0)} ms in prefill, ${cancelDecodeMs.toFixed(0)} ms in decode; a kill noticed after ${exitNoticedMs.toFixed(0)} ms`,
      '',
    ].join('\n'),
  );
}
