/**
 * The speed of a large model on WebGPU, on its runner, so that nothing but the steps is in the clock; where a captured step's time goes on the host,
 * and the time of every kind of kernel by the device's own clock.
 */

import { dirname, join } from 'node:path';
import type { LoadOptions } from '../../src/common/protocol/engine';
import { listBudgets } from '../../src/engine/worker/deviceBudgets';
import { gpuBudgetSources } from '../../src/engine/worker/gpuBudgetSources';
import { openModel, planModel } from '../../src/engine/worker/planModel';
import { RunProfiles } from '../../src/engine/worker/profile/runProfiles';
import { openStages, type StageRunner } from '../../src/engine/worker/stages/openStages';
import type { Stage } from '../../src/engine/worker/stages/stage';
import { indexOfMax } from '../../src/generation/scoreRow';
import type { RunOptions } from '../../src/ort/running';
import { median } from '../../src/profiling/nodeTimes';
import type { RuntimeTrace } from '../../src/profiling/runtimeTrace';

const promptTokens = Number(process.env.GLM_PROMPT_TOKENS ?? 512);
const longPromptTokens = 4 * promptTokens;
const [rounds, decodeSteps, tracedSteps] = [5, 24, 3];

/** Each phase prints a line when it begins or ends, so that a run that is cut off says where. */
export async function measureWebgpuSpeed(options: LoadOptions, printLine: (line: string) => void): Promise<string> {
  const startedMs = performance.now();
  const print = (line: string): void => printLine(`  [${((performance.now() - startedMs) / 1000).toFixed(1)} s] ${line}`);
  const opened = await openModel(options.source, process.env);
  const { plan } = planModel(opened, options, await listBudgets(options, gpuBudgetSources));
  print(`planned: ${plan.stages.map(({ device }) => device).join(', ')}, context ${plan.contextTokens}`);
  let phase = '';
  const runner = await openStages({
    config: opened.config,
    tensors: opened.checkpoint.tensors,
    plan,
    maxBatch: 1,
    cacheFolder: options.cacheFolder,
    packThreadFile: join(dirname(process.argv[1] as string), 'packThread.js'),
    prefillChunkTokens: longPromptTokens,
    allowSoftwareGpu: options.allowSoftwareGpu,
    onProgress: (progress) => {
      if (progress.phase !== phase) {
        phase = progress.phase;
        print(phase);
      }
    },
    log: { log: (level, _source, message, fields) => void (/decode steps|prompts|operators|stage \d/i.test(message) && print(`${level}: ${message} ${JSON.stringify(fields ?? {})}`)) },
  });
  print('loaded');
  try {
    const { prefillMs, stepMs, parts } = await measureSpeed(runner, print);
    const [prefill, step] = [median([...prefillMs]), median([...stepMs])];
    print(`host time of a step: ${Object.entries(parts).map(([part, ms]) => `${part} ${median(ms).toFixed(3)} ms`).join(', ')}`);
    await printKernels(runner, { prefill, step }, print);
    for (const { kind, clock, plainStepMs, deviceNodesMs, steps } of await runner.profileOperators(0, { promptTokens, decodeSteps: tracedSteps }, new AbortController().signal)) {
      print(`the profiler's ${kind}: ${clock} time, plain step ${plainStepMs?.toFixed(2)} ms, ${steps.length} timed steps${deviceNodesMs === undefined ? '' : `, kernels by the device's clock ${deviceNodesMs.toFixed(2)} ms`}`);
    }
    await measureChunks(runner, print);
    return `prefill of ${promptTokens} ${prefill.toFixed(2)} ms = ${((1000 * promptTokens) / prefill).toFixed(0)} tok/s (${prefillMs.map((ms) => ms.toFixed(1)).join(' ')}); step ${step.toFixed(3)} ms = ${(1000 / step).toFixed(1)} tok/s, fastest ${Math.min(...stepMs).toFixed(3)}`;
  } finally {
    await runner.dispose();
  }
}

interface Speed {
  readonly prefillMs: number[];
  readonly stepMs: number[];
  /** Host times of a captured step's calls. */
  readonly parts: Readonly<Record<string, number[]>>;
}

async function measureSpeed(runner: StageRunner, print: (line: string) => void): Promise<Speed> {
  const prompt = idsOf(runner, promptTokens);
  const [prefillMs, stepMs]: [number[], number[]] = [[], []];
  const parts = timeCopies(runner);
  for (let round = 0; round < rounds; round += 1) {
    const startMs = performance.now();
    let logits: Float32Array = await prefillIn(runner, prompt, promptTokens);
    // The first round allocates.
    if (round > 0) prefillMs.push(performance.now() - startMs);
    else print(`first prefill ${(performance.now() - startMs).toFixed(1)} ms`);
    for (let step = 0; step < decodeSteps; step += 1) {
      const stepStartMs = performance.now();
      const tokenId = Math.max(0, indexOfMax(logits));
      logits = (await (await runner.decode([{ slot: 0, tokenId }]))[0]?.full()) ?? logits;
      if (round > 0) stepMs.push(performance.now() - stepStartMs);
    }
    if (round === 0) Object.values(parts).forEach((list) => list.splice(0));
  }
  return { prefillMs, stepMs, parts };
}

/** Reads a prompt from the slot's beginning in chunks of at most so many tokens. @returns the logits after it, valid until the next call. */
async function prefillIn(runner: StageRunner, prompt: Int32Array, chunkTokens: number): Promise<Float32Array> {
  runner.rewindTo(0, 0);
  let logits: Float32Array = new Float32Array();
  for (let at = 0; at < prompt.length; ) {
    const chunk = prompt.subarray(at, at + Math.min(chunkTokens, runner.prefillChunkTokens));
    at += chunk.length;
    logits = (await (await runner.prefill(0, chunk, at === prompt.length))?.full()) ?? logits;
  }
  return logits;
}

async function measureChunks(runner: StageRunner, print: (line: string) => void): Promise<void> {
  const prompt = idsOf(runner, longPromptTokens);
  for (const chunkTokens of [longPromptTokens / 4, longPromptTokens / 2, longPromptTokens]) {
    const times: number[] = [];
    for (let round = 0; round < 3; round += 1) {
      const startMs = performance.now();
      await prefillIn(runner, prompt, chunkTokens);
      times.push(performance.now() - startMs);
    }
    print(`prefill of ${longPromptTokens} in chunks of ${chunkTokens}: ${Math.min(...times.slice(1)).toFixed(1)} ms (${times.map((ms) => ms.toFixed(1)).join(' ')})`);
  }
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
async function printKernels(runner: StageRunner, plainMs: { readonly prefill: number; readonly step: number }, print: (line: string) => void): Promise<void> {
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
