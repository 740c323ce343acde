/**
 * Measures Hugging Face transformers with the user's own Python: writes a script and the prompt, runs it, and makes cases of what it reports.
 * Nothing is installed and nothing is downloaded; what is missing becomes a note.
 */

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { CancelledError } from '../../common/errors';
import type { BenchmarkCase, RunSample } from '../report/schema';
import { spreadCautions, summarizeSamples, timesSample } from '../runSamples';
import { averagePower, surroundingsCautions } from '../surroundings';
import { rulesOfOther, type OtherCase, type OtherOutcome, type OtherRun, type TransformersEngine } from './otherEngine';
import { parsePeerLine, type PeerEvent, type PeerReady, type PeerRunEvent } from './peerEvents';
import script from './transformers_peer.py';

/** After a polite end was asked for. */
const killAfterMs = 3000;
/** Importing torch and reading a checkpoint from a slow disk. */
const loadLimitMs = 10 * 60_000;

/** One variant on one case, as it grows. */
interface Series {
  readonly variant: string;
  readonly plan: OtherCase;
  readonly runs: PeerRunEvent[];
  startedMs: number;
  endedMs: number;
}

/** A failure or a limit becomes a note, and what was measured until then is kept. @throws {CancelledError} when nothing was measured before a cancel. */
export async function measureTransformers(engine: TransformersEngine, run: OtherRun): Promise<OtherOutcome> {
  const folder = await mkdtemp(join(tmpdir(), 'glm-peer-'));
  const collected = new PeerRecord(engine, run);
  try {
    const [scriptPath, specPath] = [join(folder, 'transformers_peer.py'), join(folder, 'spec.json')];
    await writeFile(scriptPath, script);
    await writeFile(
      specPath,
      JSON.stringify({
        // The script runs elsewhere: a folder needs its whole path, a name in the cache does not.
        model: !isAbsolute(engine.source) && existsSync(engine.source) ? resolve(engine.source) : engine.source,
        dtype: engine.dtype,
        device: engine.device,
        threads: engine.threads,
        variants: engine.variants,
        warmupRuns: run.settings.warmupRuns,
        repetitions: run.settings.repetitions,
        cases: run.cases.map(({ name, promptIds, newTokens }) => ({ name, promptIds, newTokens })),
      }),
    );
    run.onLoading('transformers');
    await runScript(engine, [scriptPath, specPath], folder, collected, run);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (run.signal?.aborted && collected.isEmpty) {
    throw new CancelledError('The benchmark');
  }
  return collected.outcome();
}

/** Ends when the script has ended, whatever the reason; what went wrong is in the record. */
async function runScript(engine: TransformersEngine, args: readonly string[], folder: string, record: PeerRecord, { signal, onProcess }: OtherRun): Promise<void> {
  const child = spawn(engine.python, ['-u', ...args], {
    cwd: folder,
    env: { ...process.env, HF_HUB_OFFLINE: '1', CUDA_DEVICE_ORDER: 'PCI_BUS_ID', TOKENIZERS_PARALLELISM: 'false' },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own, so that compilers which it started end with it.
    detached: process.platform !== 'win32',
  });
  record.pid = child.pid;
  if (child.pid !== undefined) {
    onProcess?.(child.pid);
  }
  let limit: NodeJS.Timeout | undefined;
  let lastError = '';
  const endAfter = (ms: number, reason: string): void => {
    clearTimeout(limit);
    limit = setTimeout(() => {
      record.note(reason);
      endGroup(child);
    }, ms);
  };
  const onAbort = (): void => endGroup(child);
  signal?.addEventListener('abort', onAbort, { once: true });
  endAfter(loadLimitMs, `transformers did not load the model within ${loadLimitMs / 60_000} minutes and was ended.`);
  try {
    const exit = new Promise<string | undefined>((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ENOENT' ? `"${engine.python}" was not found; name a Python that has torch and transformers` : error.message));
      child.once('close', (code, killedBy) => resolve(code === 0 || killedBy !== null ? undefined : `the script ended with code ${code}${lastError === '' ? '' : `: ${lastError}`}`));
    });
    createInterface({ input: child.stderr }).on('line', (line) => (lastError = line.trim() === '' ? lastError : line.trim().slice(0, 300)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event = parsePeerLine(line);
      if (event === undefined) {
        return;
      }
      if (event.event === 'warming') {
        const compiled = event.variant === 'compiled';
        const later = engine.variants.slice(engine.variants.findIndex((variant) => variant === event.variant) + 1);
        const leftOut = later.length === 0 ? '' : `, so ${later.join(' and ')} was not measured either`;
        endAfter(engine.warmupLimitMs, `transformers (${event.variant}) did not finish ${compiled ? 'compiling and warming up' : 'warming up'} within ${Math.round(engine.warmupLimitMs / 1000)} s and was ended${leftOut}.`);
      } else if (event.event !== 'run' || event.isCounted) {
        clearTimeout(limit);
      }
      record.take(event);
    });
    const problem = await exit;
    if (problem !== undefined) {
      record.note(`transformers ${record.isEmpty ? 'could not be measured' : 'was not measured to the end'}: ${problem}.`);
    }
  } finally {
    clearTimeout(limit);
    signal?.removeEventListener('abort', onAbort);
  }
}

function endGroup(child: ChildProcess): void {
  const send = (signal: 'SIGTERM' | 'SIGKILL'): void => {
    try {
      if (child.pid !== undefined && process.platform !== 'win32') {
        process.kill(-child.pid, signal);
      } else {
        child.kill(signal);
      }
    } catch {
      // It has ended already.
    }
  };
  send('SIGTERM');
  const kill = setTimeout(() => send('SIGKILL'), killAfterMs);
  child.once('close', () => clearTimeout(kill));
}

/** What the script has told so far. */
class PeerRecord {
  pid: number | undefined;
  private ready: PeerReady | undefined;
  private readonly series: Series[] = [];
  private readonly notes: string[] = [];
  private readonly warming = new Map<string, { readonly warmupRuns: number; warmingMs?: number; isCompiled?: boolean }>();

  constructor(
    private readonly engine: TransformersEngine,
    private readonly run: OtherRun,
  ) {}

  get isEmpty(): boolean {
    return this.series.every((each) => each.runs.length === 0);
  }

  note(text: string): void {
    this.notes.push(text);
  }

  take(event: PeerEvent): void {
    switch (event.event) {
      case 'ready':
        this.ready = event;
        return;
      case 'warming':
        this.warming.set(event.variant, { warmupRuns: event.warmupRuns });
        this.run.onMeasuring(`transformers (${event.variant})`);
        return;
      case 'warm':
        Object.assign(this.warming.get(event.variant) ?? {}, { warmingMs: event.warmingMs, isCompiled: event.isCompiled });
        return;
      case 'run':
        this.takeRun(event);
        return;
      case 'variant-failed':
        this.note(`transformers (${event.variant}) could not be measured: ${event.reason}.`);
        return;
      case 'failed':
        this.note(`transformers could not be measured: ${event.reason}. Install torch and transformers for this Python, or name another one.`);
        return;
      case 'end':
        return;
      default:
        event satisfies never;
    }
  }

  outcome(): OtherOutcome {
    return { cases: this.series.filter((each) => each.runs.length > 0).map((each) => this.toCase(each)), notes: this.notes };
  }

  private takeRun(event: PeerRunEvent): void {
    this.run.onRun();
    const nowMs = this.run.telemetry?.now() ?? 0;
    let series = this.series.find((each) => each.variant === event.variant && each.plan.name === event.case);
    if (series === undefined) {
      const plan = this.run.cases.find((each) => each.name === event.case);
      if (plan === undefined) {
        return;
      }
      series = { variant: event.variant, plan, runs: [], startedMs: nowMs, endedMs: nowMs };
      this.series.push(series);
    }
    if (event.isCounted && event.tokenTimesMs.length < 2) {
      this.note(`A run of transformers (${event.variant}) told the times of ${event.tokenTimesMs.length} tokens and is not counted.`);
    } else if (event.isCounted) {
      series.runs.push(event);
      series.endedMs = nowMs;
    } else {
      // Counted runs begin where the last warm-up ended.
      series.startedMs = nowMs;
    }
  }

  private toCase({ variant, plan, runs, startedMs, endedMs }: Series): BenchmarkCase {
    const { engine, ready, run } = this;
    const warming = this.warming.get(variant);
    const samples = runs.map((each) => toSample(each, plan.promptIds.length));
    const summaries = summarizeSamples(samples);
    const device = ready?.device ?? 'unknown';
    const during = run.telemetry?.since(startedMs).filter((sample) => sample.timeMs <= endedMs) ?? [];
    const power = averagePower(during, [device]);
    const seconds = (endedMs - startedMs) / 1000;
    const settings = { warmupRuns: warming?.warmupRuns ?? run.settings.warmupRuns, repetitions: run.settings.repetitions };
    const early = samples.find((sample) => sample.generatedTokens !== plan.newTokens);
    const isComplete = runs.length >= run.settings.repetitions;
    return {
      name: `transformers (${variant}), ${plan.name}`,
      model: engine.source.split(/[\\/]/).filter(Boolean).at(-1) ?? engine.source,
      modelIdentity: engine.source,
      engine: `transformers ${ready?.transformers ?? ''} (${variant})`.replace('  ', ' '),
      provider: `torch ${ready?.torch ?? ''}`.trim(),
      weights: engine.dtype,
      devices: [device],
      rules: rulesOfOther(plan, settings, 'ids'),
      samples,
      summaries,
      cautions: [
        ...(run.telemetry === undefined ? ['no telemetry was at hand: other load and throttling were not watched'] : surroundingsCautions(during, this.pid === undefined ? [] : [this.pid], cpus().length)),
        ...spreadCautions(summaries),
        ...(variant === 'compiled' && warming?.isCompiled === false ? ['transformers did not compile on this device: this is its static cache alone'] : []),
      ],
      ...(early === undefined ? {} : { brokenRules: [{ rule: 'early-stop', explanation: `a run generated ${early.generatedTokens} tokens` }] }),
      ...(power === undefined ? {} : { energy: { ...power, seconds, joulesPerToken: (power.averageWatts * seconds) / (plan.newTokens * samples.length) } }),
      setup: [
        `Python ${ready?.python ?? 'n/a'}, torch ${ready?.torch ?? 'n/a'}, transformers ${ready?.transformers ?? 'n/a'} on ${device} (${ready?.deviceName ?? 'n/a'}, ${ready?.threads ?? 'n/a'} threads), attention ${ready?.attention ?? 'n/a'}`,
        'inputs moved with .to(model.device); token times noted by a streamer when each token reached the host',
        ...(variant === 'compiled' ? [`static cache, compiled by generate() with mode "reduce-overhead"; compiling and warming up took ${((warming?.warmingMs ?? NaN) / 1000).toFixed(0)} s and is not counted`] : ['generate() with its dynamic cache, not compiled']),
      ],
      ...(isComplete ? {} : { endedBy: run.signal?.aborted ? 'cancelled' : 'the script ended' }),
    };
  }
}

function toSample({ tokenTimesMs, totalMs, generatedTokens, peakMemoryBytes }: PeerRunEvent, promptTokens: number): RunSample {
  const first = tokenTimesMs[0] ?? NaN;
  const tpotMs = ((tokenTimesMs.at(-1) ?? NaN) - first) / Math.max(1, tokenTimesMs.length - 1);
  return {
    ...timesSample({ ttftMs: first, tpotMs, tokenTimesMs, totalMs, generatedTokens }),
    tokenizeMs: 0,
    prefillTokensPerSecond: (1000 * promptTokens) / first,
    decodeTokensPerSecond: 1000 / tpotMs,
    peakMemoryBytes,
  };
}
