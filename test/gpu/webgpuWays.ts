/**
 * Ways of running a large model on WebGPU, each measured in a process of its own: some settings hold for the device as long as the process lives.
 * A way prints its speed, where a captured step's time goes on the host, and the time of every kind of kernel by the device's own clock.
 */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadOptions } from '../../src/common/protocol/engine';
import { listBudgets } from '../../src/engine/worker/deviceBudgets';
import { gpuBudgetSources } from '../../src/engine/worker/gpuBudgetSources';
import { openModel, planModel } from '../../src/engine/worker/planModel';
import { RunProfiles } from '../../src/engine/worker/profile/runProfiles';
import { openStages, type OpenStagesOptions, type StageRunner } from '../../src/engine/worker/stages/openStages';
import type { Stage } from '../../src/engine/worker/stages/stage';
import type { RunOptions } from '../../src/ort/running';
import { median } from '../../src/profiling/nodeTimes';
import type { RuntimeTrace } from '../../src/profiling/runtimeTrace';
import { compareLogits } from './logitDrift';

export interface WebgpuWay {
  readonly name: string;
  /** Positions allocated, where other than asked for by the caller. */
  readonly contextTokens?: number;
  /** Default 512. */
  readonly promptTokens?: number;
  readonly how: Pick<OpenStagesOptions, 'captureDecode' | 'accuracyLevel' | 'precision' | 'bindsTotal' | 'sessionConfig' | 'prefillChunkTokens'>;
}

const pending = (dispatches: number): WebgpuWay['how'] => ({ sessionConfig: { 'ep.webgpuexecutionprovider.maxNumPendingDispatches': String(dispatches) } });

/** The first is what users get; the others are held against it. */
export const webgpuWays: readonly WebgpuWay[] = [
  { name: 'as it is', how: {} },
  { name: 'gate and up in one product', how: { precision: { hasGatedProduct: false } } },
  { name: '64 kernels a submit', how: pending(64) },
  { name: 'a context of 16,384', contextTokens: 16_384, how: {} },
  { name: 'attention over all of 16,384', contextTokens: 16_384, how: { bindsTotal: true } },
  { name: '2,048 tokens in chunks of 512', contextTokens: 2304, promptTokens: 2048, how: { prefillChunkTokens: 512 } },
  { name: '2,048 tokens in chunks of 1,024', contextTokens: 2304, promptTokens: 2048, how: { prefillChunkTokens: 1024 } },
  { name: '2,048 tokens in one chunk', contextTokens: 2304, promptTokens: 2048, how: { prefillChunkTokens: 2048 } },
  { name: '256 kernels a submit', how: pending(256) },
  { name: 'shaders without bounds checks', how: { sessionConfig: { 'ep.webgpuexecutionprovider.enableRobustness': '0' } } },
];

/** Runs a way in a process of its own. @returns what it printed, and how far its logits lie from those of the first way. */
export function runWay(way: WebgpuWay, options: LoadOptions, reference: Float32Array | undefined): { readonly text: string; readonly logits: Float32Array } {
  const folder = mkdtempSync(join(tmpdir(), 'glm-way-'));
  try {
    const logitsFile = join(folder, 'logits');
    const text = execFileSync(process.execPath, [process.argv[1] as string, wayCommand, JSON.stringify({ way, options: { ...options, ...(way.contextTokens === undefined ? {} : { contextTokens: way.contextTokens }) }, logitsFile } satisfies WayRequest)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 2 ** 26 });
    const bytes = readFileSync(logitsFile);
    const logits = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    const drift = reference === undefined ? '' : `\n  drift from the first way ${compareLogits([...logits], [...reference]).rms.toExponential(2)} standard deviations.`;
    return { text: `${text.trimEnd()}${drift}`, logits };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const wayCommand = 'webgpu-way';

interface WayRequest {
  readonly way: WebgpuWay;
  readonly options: LoadOptions;
  /** Gets the logits after the prompt. */
  readonly logitsFile: string;
}

const [rounds, decodeSteps, tracedSteps] = [6, 32, 5];

/** What {@link wayCommand} does. */
export async function measureWay(json: string, print: (line: string) => void): Promise<void> {
  const { way, options, logitsFile } = JSON.parse(json) as WayRequest;
  const { promptTokens = Number(process.env.GLM_PROMPT_TOKENS ?? 512) } = way;
  const messages: string[] = [];
  const opened = await openModel(options.source, process.env);
  const { plan, prefillChunkTokens } = planModel(opened, options, await listBudgets(options, gpuBudgetSources));
  const startedMs = performance.now();
  const runner = await openStages({
    config: opened.config,
    tensors: opened.checkpoint.tensors,
    plan,
    maxBatch: 1,
    cacheFolder: options.cacheFolder,
    prefillChunkTokens,
    allowSoftwareGpu: options.allowSoftwareGpu,
    ...way.how,
    log: { log: (level, _source, message, fields) => void (/decode steps|prompts|operators/i.test(message) && messages.push(`${level}: ${message} ${JSON.stringify(fields ?? {})}`)) },
  });
  const loadMs = performance.now() - startedMs;
  try {
    const { prefillMs, stepMs, parts, logits, tokens } = await measureSpeed(runner, promptTokens);
    const [prefill, step] = [median(prefillMs), median(stepMs)];
    writeFileSync(logitsFile, logits);
    print(`\n${way.name}: prefill of ${promptTokens} ${prefill.toFixed(2)} ms = ${((1000 * promptTokens) / prefill).toFixed(0)} tok/s (${prefillMs.map((ms) => ms.toFixed(1)).join(' ')}); step ${step.toFixed(3)} ms = ${(1000 / step).toFixed(1)} tok/s, fastest ${Math.min(...stepMs).toFixed(3)}; loaded in ${loadMs.toFixed(0)} ms; tokens ${tokens.slice(0, 8).join(' ')}`);
    messages.forEach((message) => print(`  ${message}`));
    print(`  host time of a step: ${Object.entries(parts).map(([part, ms]) => `${part} ${median(ms).toFixed(3)} ms`).join(', ')}`);
    await printKernels(runner, promptTokens, { prefill, step }, print);
    for (const { kind, clock, plainStepMs, deviceNodesMs, steps } of await runner.profileOperators(0, { promptTokens, decodeSteps: tracedSteps }, new AbortController().signal)) {
      print(`  the profiler's ${kind}: ${clock} time, plain step ${plainStepMs?.toFixed(2)} ms, ${steps.length} timed steps${deviceNodesMs === undefined ? '' : `, kernels by the device's clock ${deviceNodesMs.toFixed(2)} ms`}`);
    }
  } finally {
    await runner.dispose();
  }
}

interface Speed {
  readonly prefillMs: number[];
  readonly stepMs: number[];
  /** Host times of a captured step's calls. */
  readonly parts: Readonly<Record<string, number[]>>;
  readonly logits: Float32Array;
  readonly tokens: readonly number[];
}

async function measureSpeed(runner: StageRunner, promptTokens: number): Promise<Speed> {
  const prompt = idsOf(runner, promptTokens);
  const [prefillMs, stepMs]: [number[], number[]] = [[], []];
  const parts = timeCopies(runner);
  let afterPrompt = new Float32Array();
  let tokens: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    runner.rewindTo(0, 0);
    let startMs = performance.now();
    let logits = new Float32Array();
    for (let at = 0; at < prompt.length; at += runner.prefillChunkTokens) {
      logits = Float32Array.from((await (await runner.prefill(0, prompt.subarray(at, at + runner.prefillChunkTokens), at + runner.prefillChunkTokens >= prompt.length))?.full()) ?? []);
    }
    // The first round allocates.
    if (round > 0) prefillMs.push(performance.now() - startMs);
    afterPrompt = logits;
    tokens = [];
    for (let step = 0; step < decodeSteps; step += 1) {
      startMs = performance.now();
      const tokenId = bestOf(logits);
      tokens.push(tokenId);
      logits = Float32Array.from((await (await runner.decode([{ slot: 0, tokenId }]))[0]?.full()) ?? []);
      if (round > 0) stepMs.push(performance.now() - startMs);
    }
  }
  return { prefillMs, stepMs, parts, logits: afterPrompt, tokens };
}

/** Wraps the copies that a captured step makes; the download waits for the device. */
function timeCopies(runner: StageRunner): Readonly<Record<string, number[]>> {
  const times: Record<string, number[]> = {};
  for (const { parts } of insides(runner).stages) {
    const memory = parts.memory as unknown as Record<string, ((...values: readonly unknown[]) => unknown) | undefined>;
    for (const name of ['upload', 'copyWithin', 'download']) {
      const call = memory[name];
      if (call !== undefined) {
        memory[name] = (...values) => {
          const startMs = performance.now();
          const result = call(...values);
          (times[name] ??= []).push(performance.now() - startMs);
          return result;
        };
      }
    }
  }
  return times;
}

/** The time of each operator's programs, medians over some steps of their sums, for a prefill and for a decode step that is encoded anew. */
async function printKernels(runner: StageRunner, promptTokens: number, plainMs: { readonly prefill: number; readonly step: number }, print: (line: string) => void): Promise<void> {
  const { stages, runTimed } = insides(runner);
  const [stage] = stages;
  const profiles = stage === undefined ? undefined : RunProfiles.tryOpen(stage.parts.session.library, stage.parts.device.capturesSteps === true ? { gpu_graph_id: '-1' } : {});
  if (profiles === undefined) {
    return;
  }
  try {
    const trace = async (ids: Int32Array): Promise<RuntimeTrace> => {
      await runTimed.call(runner, 0, ids, [profiles.options]);
      return profiles.take();
    };
    const prompt = idsOf(runner, Math.min(promptTokens, runner.prefillChunkTokens));
    const traces: { readonly prefill: RuntimeTrace[]; readonly step: RuntimeTrace[] } = { prefill: [], step: [] };
    for (let round = 0; round < tracedSteps; round += 1) {
      runner.rewindTo(0, 0);
      traces.prefill.push(await trace(prompt));
      traces.step.push(await trace(idsOf(runner, 1)));
    }
    for (const kind of ['prefill', 'step'] as const) {
      printTable(kind, traces[kind], plainMs[kind], print);
    }
  } finally {
    profiles[Symbol.dispose]();
  }
}

function printTable(kind: string, traces: readonly RuntimeTrace[], plainMs: number, print: (line: string) => void): void {
  const kernelsOf = ({ nodes }: RuntimeTrace) => nodes.flatMap(({ opType, name, device }) => (device?.kernels ?? []).map((kernel) => ({ ...kernel, label: `${placeOf(name, opType)} ${kernel.name}` })));
  const totals = traces.map((each) => kernelsOf(each).reduce((sum, { durationUs }) => sum + durationUs, 0) / 1000);
  const spans = traces.map((each) => {
    const kernels = kernelsOf(each);
    return (kernels.reduce((end, { startUs, durationUs }) => Math.max(end, startUs + durationUs), 0) - kernels.reduce((start, { startUs }) => Math.min(start, startUs), Infinity)) / 1000;
  });
  const runs = traces.map(({ runUs }) => (runUs ?? NaN) / 1000);
  const labels = [...new Set(traces.flatMap(kernelsOf).map(({ label }) => label))];
  print(`  ${kind}: kernels by the device's clock ${median(totals).toFixed(2)} ms, first to last ${median(spans).toFixed(2)} ms, timed run ${median(runs).toFixed(2)} ms, plain ${plainMs.toFixed(2)} ms`);
  const rows = labels.map((label) => {
    const ofLabel = traces.map((each) => kernelsOf(each).filter((kernel) => kernel.label === label));
    return { label, count: ofLabel[0]?.length ?? 0, ms: median(ofLabel.map((list) => list.reduce((sum, { durationUs }) => sum + durationUs, 0) / 1000)) };
  });
  for (const { label, count, ms } of rows.sort((a, b) => b.ms - a.ms)) {
    print(`    ${ms.toFixed(3).padStart(8)} ms ${String(count).padStart(4)} × ${((1000 * ms) / Math.max(1, count)).toFixed(1).padStart(7)} µs  ${label}`);
  }
}

/** `/layers.7/mlp/down` as `mlp/down`, so that layers are added up. */
function placeOf(name: string, opType: string): string {
  return `${name.replace(/^\/layers\.\d+\//, '')} ${opType}`;
}

/** What the measurement needs and users of a runner don't. */
function insides(runner: StageRunner): { readonly stages: readonly Stage[]; readonly runTimed: (slot: number, ids: Int32Array, optionsOf: readonly RunOptions[]) => Promise<void> } {
  return runner as unknown as ReturnType<typeof insides>;
}

function idsOf({ vocabSize }: Pick<StageRunner, 'vocabSize'>, count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, index) => (100 + ((index * 7919) % 50_000)) % vocabSize);
}

function bestOf(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id += 1) {
    if ((logits[id] as number) > (logits[best] as number)) best = id;
  }
  return best;
}
