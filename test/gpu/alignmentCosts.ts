/**
 * `node dist/testGpu.js alignment-costs [--model DIR] [--provider cuda|webgpu] [--out FILE] [--limit-s N] [--runs N] [--only TEXT]`:
 * provokes every kind of misalignment that one GPU allows, checks that exactly that kind is told with its bytes, puts it right, and measures
 * milliseconds per token with and without. Prints Markdown, then JSON. Ends with 1 when a kind was not told as it should be.
 */

import { existsSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { alignmentCostKey, type AlignmentCosts, type AlignmentKind, type AlignmentMessage } from '../../src/common/alignment';
import { formatBytes } from '../../src/common/byteFormat';
import type { ProviderKind } from '../../src/common/deviceId';
import type { LoadOptions } from '../../src/common/protocol/engine';
import { locateOrtLibrary } from '../../src/ort/ortLibrary';
import { baselines, oneStage, provocations, sizesOn, type Baseline, type Provocation } from './alignmentProvocations';
import { areApart, describe, median, WatchedEngine, type Timed } from './alignmentRuns';
import { generate, loadOptions, openEngine, tinyCheckpoints } from './engineFixture';
import { holdMemory } from './memoryHolder';

interface Row {
  readonly label: string;
  readonly kind: AlignmentKind;
  readonly passed: boolean;
  /** What was wrong, or why it was not run. */
  readonly problem?: string;
  readonly message?: string;
  readonly bytesPerToken?: number;
  readonly takenBytes?: number;
  readonly unit: 'ms per token' | 'ms per prompt token';
  readonly aligned?: readonly number[];
  readonly misaligned?: readonly number[];
  readonly costMs?: number;
  readonly isBeyondNoise?: boolean;
  readonly fix: string;
  readonly fixed?: string;
}

interface Settings {
  readonly source: string;
  readonly provider: ProviderKind;
  readonly runs: number;
  readonly newTokens: number;
  readonly longTokens: number;
  readonly contextTokens: number;
  readonly only: string;
  readonly endMs: number;
  readonly print: (line: string) => void;
}

export async function measureAlignmentCosts(argv: readonly string[], print: (line: string) => void): Promise<number> {
  const { values } = parseArgs({
    args: [...argv],
    options: { model: { type: 'string' }, provider: { type: 'string' }, out: { type: 'string' }, 'limit-s': { type: 'string' }, runs: { type: 'string' }, 'new-tokens': { type: 'string' }, 'long-tokens': { type: 'string' }, only: { type: 'string' } },
  });
  const startedMs = performance.now();
  const settings: Settings = {
    source: values.model ?? tinyCheckpoints().find(({ name }) => name === 'tiny-glm4')?.folder ?? '',
    provider: values.provider === 'webgpu' ? 'webgpu' : 'cuda',
    runs: Number(values.runs ?? 3),
    newTokens: Number(values['new-tokens'] ?? 64),
    longTokens: Number(values['long-tokens'] ?? 2048),
    contextTokens: 256,
    only: values.only ?? '',
    endMs: startedMs + Number(values['limit-s'] ?? 600) * 1000,
    print,
  };
  const rows = await new Visit(settings).all();
  const report = {
    schema: 'glm-alignment-costs-1',
    model: settings.source,
    provider: settings.provider,
    ...(settings.provider === 'webgpu' ? { simulated: true } : {}),
    processor: cpus()[0]?.model,
    cores: cpus().length,
    runs: settings.runs,
    newTokens: settings.newTokens,
    elapsedS: (performance.now() - startedMs) / 1000,
    rows,
  };
  print(`\n${toMarkdown(rows)}\n`);
  print(JSON.stringify(report));
  if (values.out !== undefined) {
    writeFileSync(values.out, JSON.stringify(report, null, 1));
  }
  const failed = rows.filter(({ passed }) => !passed);
  print(`${rows.length - failed.length} passed, ${failed.length} failed or not run, ${report.elapsedS.toFixed(0)} s`);
  return failed.length;
}

class Visit {
  private readonly timed = new Map<string, Promise<Timed>>();
  private readonly costs: Record<string, number> = {};

  constructor(private readonly settings: Settings) {}

  async all(): Promise<readonly Row[]> {
    const { source, provider, contextTokens, longTokens } = this.settings;
    const engine = openEngine();
    const model = await engine.request('model-describe', { source }).finally(() => engine.end());
    const sizes = sizesOn(provider, model, contextTokens, false);
    const list = provocations(provider, sizes, provider === 'cuda' ? runtimeWithoutProviders() : undefined).filter(({ label }) => label.includes(this.settings.only));
    const rows: Row[] = [...(await this.beside())];
    for (const provocation of list.filter(({ isSlow }) => isSlow !== true)) {
      rows.push(await this.attempt(provocation, () => this.provoke(provocation, baselines(longTokens))));
    }
    if (this.settings.only === '') {
      rows.push(await this.attempt({ label: 'tensors under autoFix, one stage', kind: 'host-bound-inputs', fix: 'autoFix' }, () => this.repair('tensors under autoFix, one stage', ['input_ids', 'positions', 'logits', 'kv'], {})));
      rows.push(await this.attempt({ label: 'hidden state under autoFix, two stages', kind: 'hidden-state-through-host', fix: 'autoFix' }, () => this.repair('hidden state under autoFix, two stages', ['hidden'], { numStages: 2 })));
    }
    for (const provocation of list.filter(({ isSlow }) => isSlow === true)) {
      rows.push(await this.attempt(provocation, () => this.provoke(provocation, baselines(longTokens))));
    }
    return this.againstBothLoads(rows);
  }

  /** Loads resemble each other less than runs do: the plain baseline is loaded once more at the end, and the costs taken from both. */
  private async againstBothLoads(rows: readonly Row[]): Promise<readonly Row[]> {
    const first = await this.timed.get(oneStage)?.catch(() => undefined);
    const plain = baselines(this.settings.longTokens).find(({ label }) => label === oneStage);
    if (first === undefined || plain === undefined || performance.now() > this.settings.endMs) {
      return rows;
    }
    this.timed.delete(oneStage);
    const again = await this.baseline(plain).catch(() => undefined);
    const aligned = [...first.msPerToken, ...(again?.msPerToken ?? [])];
    return rows.map((row) => (row.misaligned !== undefined && row.aligned === first.msPerToken ? { ...row, ...costRow(aligned, row.misaligned) } : row));
  }

  private options(changes: Partial<LoadOptions>): LoadOptions {
    const { source, provider, contextTokens } = this.settings;
    const base = loadOptions(source, { provider, contextTokens, alignment: 'warn', weights: provider === 'cuda' ? 'bf16' : 'f32', allowSoftwareGpu: provider === 'webgpu', alignmentCostsMs: this.costs });
    return { ...base, ...(provider === 'cuda' ? {} : { ortLibrary: undefined }), ...changes };
  }

  /** Each baseline is loaded once; with nothing misplaced, nothing may be told. */
  private baseline({ label, changes, promptTokens }: Baseline): Promise<Timed> {
    const known = this.timed.get(label);
    if (known !== undefined) {
      return known;
    }
    const measured = this.withEngine(this.options(changes), {}, async (watched) => {
      const timed = await watched.time(promptTokens, this.settings.newTokens, this.settings.runs);
      if (watched.told.length > 0) {
        throw new Error(`${label}: nothing was misplaced, but told: ${describe(watched.told)}`);
      }
      return timed;
    });
    this.timed.set(label, measured);
    return measured;
  }

  private async provoke(provocation: Provocation, known: readonly Baseline[]): Promise<Row> {
    const { label, kind, changes, env, fix, isSlow, bytesPerToken } = provocation;
    const baseline = known.find((each) => each.label === provocation.baseline) as Baseline;
    const aligned = await this.baseline(baseline);
    const load = this.options({ ...(baseline.changes.contextTokens === undefined ? {} : { contextTokens: baseline.changes.contextTokens }), ...changes });
    return this.withEngine(load, env ?? {}, async (watched) => {
      const newTokens = isSlow === true ? Math.min(16, this.settings.newTokens) : this.settings.newTokens;
      const misaligned = await watched.time(baseline.promptTokens, newTokens, isSlow === true ? 2 : this.settings.runs);
      const told = watched.told.reduce((sum, one) => sum + (one.bytesPerToken ?? 0), 0);
      const firstChange = misaligned.ids.findIndex((id, index) => id !== aligned.ids[index]);
      // What was measured is worth keeping also where something was not as expected.
      const problems = [
        ...(isOnly(watched.told, kind) ? [] : [`expected ${kind} alone, told: ${describe(watched.told)}`]),
        ...(bytesPerToken === undefined || told === bytesPerToken ? [] : [`told ${told} B per token, expected ${bytesPerToken}`]),
        ...(isSlow === true || kind === 'unfused-attention' || firstChange < 0 ? [] : [`the answer changed at token ${firstChange} of ${misaligned.ids.length}`]),
      ];
      const message = watched.told.find((one) => one.kind === kind);
      const isPrompt = kind === 'unfused-attention';
      const row = costRow(isPrompt ? aligned.msPerPromptToken : aligned.msPerToken, isPrompt ? misaligned.msPerPromptToken : misaligned.msPerToken);
      if (row.isBeyondNoise && row.costMs > 0 && !isPrompt) {
        this.costs[alignmentCostKey(kind, message?.tensor)] = row.costMs;
      }
      const outcome = { passed: problems.length === 0, ...(problems.length === 0 ? {} : { problem: problems.join('; ') }), ...(message === undefined ? {} : { message: message.message }) };
      return { label, kind, ...outcome, ...(bytesPerToken === undefined ? {} : { bytesPerToken: told }), unit: isPrompt ? 'ms per prompt token' : 'ms per token', ...row, fix };
    });
  }

  /** All of them wanted elsewhere at once, under the mode that keeps them where they are read: each must be told as fixed, with what was measured before. */
  private async repair(label: string, misplace: NonNullable<LoadOptions['misplace']>, changes: Partial<LoadOptions>): Promise<Row> {
    const costs: AlignmentCosts = { ...this.costs };
    return this.withEngine(this.options({ ...changes, misplace, alignment: 'autoFix', alignmentCostsMs: costs }), {}, async (watched) => {
      await watched.time(16, 8, 1);
      const { told } = watched;
      if (told.length !== misplace.length || told.some(({ state }) => state !== 'fixed')) {
        throw new Error(`${label}: expected ${misplace.length} fixed, told: ${describe(told)}`);
      }
      const savedMs = told.reduce((sum, one) => sum + (one.costMsPerToken ?? 0), 0);
      const kind = (told[0] as AlignmentMessage).kind;
      return { label, kind, passed: true, message: told.map(({ message }) => message).join(' / '), unit: 'ms per token', fix: 'autoFix', fixed: `${told.length} fixed; ${savedMs.toFixed(2)} ms per token saved, as measured above` };
    });
  }

  /** What comes from outside of the engine, on one engine that stays: memory that another process takes, then a second model on the same device. */
  private async beside(): Promise<readonly Row[]> {
    const memory = { label: 'another process takes 4 GiB', kind: 'memory-taken', fix: 'the process ended' } as const;
    const second = { label: 'a second model answers on the same GPU', kind: 'devices-shared', fix: 'the second model unloaded' } as const;
    const wanted = [memory, second].filter(({ label }) => label.includes(this.settings.only));
    if (wanted.length === 0) {
      return [];
    }
    try {
      return await this.withEngine(this.options({ misplace: [] }), {}, async (watched) => {
        const rows: Row[] = [];
        if (wanted.includes(memory) && this.settings.provider === 'cuda') {
          rows.push(await this.attempt(memory, () => this.takeMemory(watched, memory)));
        }
        if (wanted.includes(second)) {
          rows.push(await this.attempt(second, () => this.share(watched, second)));
        }
        return rows;
      });
    } catch (error) {
      return wanted.map((what) => failed(what, error));
    }
  }

  private async takeMemory(watched: WatchedEngine, { label, kind, fix }: Pick<Row, 'label' | 'kind' | 'fix'>): Promise<Row> {
    const bytes = 4 * 2 ** 30;
    const { newTokens, runs } = this.settings;
    const aligned = await this.alignedOn(watched);
    const holder = await holdMemory(bytes);
    try {
      await watched.until((told) => told.some((one) => one.kind === kind), label);
      const misaligned = await watched.time(128, newTokens, runs);
      const message = assertOnly(watched.told, kind, label);
      // The process has a context of its own besides.
      if (message.takenBytes === undefined || message.takenBytes < bytes || message.takenBytes > bytes + 2 ** 30) {
        throw new Error(`${label}: told ${formatBytes(message.takenBytes)}, taken were ${formatBytes(bytes)} and a context`);
      }
      await holder.end();
      await watched.until((told) => told.length === 0, `the end of "${label}"`);
      return { label, kind, passed: true, message: message.message, takenBytes: message.takenBytes, unit: 'ms per token', ...costRow(aligned.msPerToken, misaligned.msPerToken), fix, fixed: 'message taken back' };
    } finally {
      await holder.end();
    }
  }

  private async share(watched: WatchedEngine, { label, kind, fix }: Pick<Row, 'label' | 'kind' | 'fix'>): Promise<Row> {
    const { newTokens, runs } = this.settings;
    const aligned = await this.alignedOn(watched);
    const other = await WatchedEngine.load(this.options({ alignment: 'autoFix', misplace: undefined }));
    let isDone = false;
    try {
      assertOnly(other.told, kind, `${label} (the second's own message)`);
      const busy = (async () => {
        while (!isDone) {
          await generate(other.engine, [3, 4, 5], Math.min(newTokens, 32));
        }
      })();
      const misaligned = await watched.time(128, newTokens, runs);
      isDone = true;
      await busy;
      await watched.until((told) => told.some((one) => one.kind === kind), label);
      const message = assertOnly(watched.told, kind, label);
      await other.end();
      await watched.until((told) => told.length === 0, `the end of "${label}"`);
      return { label, kind, passed: true, message: message.message, unit: 'ms per token', ...costRow(aligned.msPerToken, misaligned.msPerToken), fix, fixed: 'message taken back' };
    } finally {
      isDone = true;
      await other.end();
    }
  }

  /** The plain baseline, measured on an engine that is there anyway. */
  private alignedOn(watched: WatchedEngine): Promise<Timed> {
    const { newTokens, runs } = this.settings;
    const measured = this.timed.get(oneStage) ?? watched.time(128, newTokens, runs);
    this.timed.set(oneStage, measured);
    return measured;
  }

  private async withEngine<T>(options: LoadOptions, env: Readonly<Record<string, string>>, work: (watched: WatchedEngine) => Promise<T>): Promise<T> {
    const watched = await WatchedEngine.load(options, env);
    try {
      return await work(watched);
    } finally {
      await watched.end();
    }
  }

  private async attempt(what: Pick<Row, 'label' | 'kind' | 'fix'>, work: () => Promise<Row>): Promise<Row> {
    if (performance.now() > this.settings.endMs) {
      return failed(what, new Error('not run: the time was up'));
    }
    const startedMs = performance.now();
    const row = await work().catch((error: unknown) => failed(what, error));
    this.settings.print(`${row.passed ? 'ok   ' : 'FAIL '} ${row.label} (${((performance.now() - startedMs) / 1000).toFixed(1)} s): ${row.problem ?? row.message ?? ''}`);
    return row;
  }
}

/** Every message is of that kind and says that it was found. @throws {Error} */
function assertOnly(told: readonly AlignmentMessage[], kind: AlignmentKind, label: string): AlignmentMessage {
  if (!isOnly(told, kind)) {
    throw new Error(`${label}: expected ${kind} alone, told: ${describe(told)}`);
  }
  return told[0] as AlignmentMessage;
}

function isOnly(told: readonly AlignmentMessage[], kind: AlignmentKind): boolean {
  return told.length > 0 && told.every((one) => one.kind === kind && one.state === 'found');
}

function costRow(aligned: readonly number[], misaligned: readonly number[]): { readonly aligned: readonly number[]; readonly misaligned: readonly number[]; readonly costMs: number; readonly isBeyondNoise: boolean } {
  return { aligned, misaligned, costMs: median(misaligned) - median(aligned), isBeyondNoise: areApart(aligned, misaligned) };
}

function failed({ label, kind, fix }: Pick<Row, 'label' | 'kind' | 'fix'>, error: unknown): Row {
  return { label, kind, fix, unit: 'ms per token', passed: false, problem: error instanceof Error ? error.message : String(error) };
}

/** The runtime alone in a folder, as it is where its CUDA provider was never set up. */
function runtimeWithoutProviders(): string | undefined {
  const library = locateOrtLibrary(process.env.GLM_ORT_LIBRARY);
  if (!existsSync(library)) {
    return undefined;
  }
  const folder = mkdtempSync(join(tmpdir(), 'glm-no-provider-'));
  symlinkSync(library, join(folder, process.platform === 'linux' ? 'libonnxruntime.so.1' : basename(library)));
  // Providers that are built in look for this one beside the runtime.
  const shared = join(dirname(library), 'libonnxruntime_providers_shared.so');
  if (existsSync(shared)) {
    symlinkSync(shared, join(folder, basename(shared)));
  }
  return folder;
}

function toMarkdown(rows: readonly Row[]): string {
  const range = (values: readonly number[] | undefined): string => (values === undefined ? '–' : `${median(values).toFixed(3)} (${Math.min(...values).toFixed(3)} to ${Math.max(...values).toFixed(3)})`);
  const bytes = (row: Row): string => (row.bytesPerToken !== undefined ? `${row.bytesPerToken.toLocaleString('en-US')}` : row.takenBytes !== undefined ? `${formatBytes(row.takenBytes)} in all` : '–');
  const cost = (row: Row): string => (row.costMs === undefined ? '–' : row.isBeyondNoise === true ? row.costMs.toFixed(3) : `within the noise (${row.costMs.toFixed(3)})`);
  return [
    '| provoked | warned as | bytes per token | aligned, ms per token | misaligned, ms per token | cost, ms per token | put right by |',
    '|---|---|---|---|---|---|---|',
    ...rows.map((row) =>
      row.misaligned !== undefined || row.passed
        ? `| ${row.passed ? '' : `NOT AS EXPECTED (${row.problem?.replaceAll('|', '/')}): `}${row.label}${row.unit === 'ms per prompt token' ? ' (times per prompt token)' : ''} | ${row.kind} | ${bytes(row)} | ${range(row.aligned)} | ${range(row.misaligned)} | ${cost(row)} | ${row.fix}${row.fixed === undefined ? '' : `: ${row.fixed}`} |`
        : `| ${row.label} | NOT AS EXPECTED: ${row.problem?.replaceAll('|', '/')} | | | | | |`,
    ),
  ].join('\n');
}
