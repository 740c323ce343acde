/** Extra steps whose every node is timed, beside plain ones at the same positions to hold them against. */

import { throwIfAborted } from '../../../common/errors';
import type { OperatorProfile, ProfiledNode } from '../../../common/profile';
import type { OperatorProfileParams } from '../../../common/protocol/engine';
import type { StepRunner } from '../../../generation/stepRunner';
import type { RunOptions } from '../../../ort/running';
import { addsUpTo, collectSteps, hasDeviceTimes, nodesMs, type TracedStep } from '../../../profiling/collectSteps';
import { median } from '../../../profiling/nodeTimes';
import type { KernelSteps } from '../stages/slotDecoder';
import type { Stage } from '../stages/stage';
import { layerOfNode, nodeWork, type StepExtent } from './nodeWork';
import { RunProfiles } from './runProfiles';

/** What StageRunner offers for this. */
export interface TimedRunner extends Pick<StepRunner, 'vocabSize' | 'prefillChunkTokens' | 'length' | 'rewindTo' | 'prefill' | 'decode'> {
  readonly stages: readonly Stage[];
  /** Appends `ids` through the stages' sessions, with run options of each stage's own. */
  runTimed(slot: number, ids: Int32Array, optionsOf: readonly RunOptions[]): Promise<void>;
  /** Where single sequences are decoded by kernels of our own: times them one by one in steps at the slot's end, without capture; undefined where they are not. */
  timeKernels(slot: number, tokenId: number, steps: number): KernelSteps | undefined;
}

/** Prefill chunks are repeated within so much time, since one alone says little. */
const prefillBudgetMs = 2000;
const mostPrefills = 5;

/**
 * @param slot  Empty; its content is free to change.
 * @returns nothing where the runtime can't profile single runs.
 * @throws {CancelledError} @throws {GlmError} `operator-trace-unreadable`
 */
export async function measureOperators(runner: TimedRunner, slot: number, { promptTokens, decodeSteps }: OperatorProfileParams, signal: AbortSignal): Promise<readonly OperatorProfile[]> {
  const { stages } = runner;
  const opened = stages.map(({ parts: { session, device } }) => RunProfiles.tryOpen(session.library, device.provider === 'cuda' || device.capturesSteps === true ? { gpu_graph_id: '-1' } : {}));
  const profiles = opened.filter((profile) => profile !== undefined);
  if (profiles.length < stages.length) {
    profiles.forEach((profile) => profile[Symbol.dispose]());
    return [];
  }
  const options = profiles.map((profile) => profile.options);
  const timed = async (ids: Int32Array): Promise<TracedStep> => {
    const startMs = performance.now();
    await runner.runTimed(slot, ids, options);
    return { startMs, stages: profiles.map((profile) => profile.take()) };
  };
  const plainMs = async (run: () => Promise<unknown>): Promise<number> => {
    const startMs = performance.now();
    await run();
    return performance.now() - startMs;
  };
  const inTurns = async (count: number, plain: (round: number) => Promise<void>, timedRound: (round: number) => Promise<void>): Promise<void> => {
    const rounds = Array.from({ length: count }, (_, round) => round);
    const both = async (round: number): Promise<void> => {
      await plain(round);
      await timedRound(round);
    };
    // On the CPU plain and timed steps take turns, so that other work on the cores strikes both alike. On a GPU a step right after a timed one took up to
    // 20 ms longer (H200, WebGPU), so all plain ones come first.
    for (const run of stages.every(({ parts: { device } }) => device.provider === 'cpu') ? [both] : [plain, timedRound]) {
      for (const round of rounds) {
        throwIfAborted(signal, 'Profiling the operators');
        await run(round);
      }
    }
  };
  const idsOf = (from: number, count: number): Int32Array => Int32Array.from({ length: count }, (_, index) => ((from + index) * 7 + 11) % runner.vocabSize);
  const results: OperatorProfile[] = [];
  try {
    const chunk = idsOf(0, Math.min(promptTokens, runner.prefillChunkTokens));
    const plainPrefill = (): Promise<number> => plainMs(() => runner.prefill(slot, chunk, true));
    // The first of a shape allocates, so it is not counted.
    const warmUpMs = await plainPrefill();
    const repeats = Math.max(1, Math.min(mostPrefills, Math.floor(prefillBudgetMs / (2 * warmUpMs))));
    const prefills: TracedStep[] = [];
    const plainPrefills: number[] = [];
    await inTurns(
      repeats,
      async () => {
        runner.rewindTo(slot, 0);
        plainPrefills.push(await plainPrefill());
      },
      async () => {
        runner.rewindTo(slot, 0);
        prefills.push(await timed(chunk));
      },
    );
    results.push(describe('prefill', stages, prefills, plainPrefills, { tokens: chunk.length, contextTokens: 0 }));
    if (decodeSteps === 0) {
      return results;
    }
    for (let at = chunk.length; at < promptTokens; ) {
      throwIfAborted(signal, 'Profiling the operators');
      const ids = idsOf(at, Math.min(runner.prefillChunkTokens, promptTokens - at));
      await runner.prefill(slot, ids, at + ids.length === promptTokens);
      at += ids.length;
    }
    const extent: StepExtent = { tokens: 1, contextTokens: promptTokens };
    const decodes: TracedStep[] = [];
    const plainDecodes: number[] = [];
    const plainDecode = (id: Int32Array): Promise<number> => plainMs(() => runner.decode([{ slot, tokenId: id[0] as number }]));
    await plainDecode(idsOf(promptTokens, 1));
    runner.rewindTo(slot, promptTokens);
    await inTurns(
      decodeSteps,
      async (step) => {
        runner.rewindTo(slot, promptTokens + step);
        plainDecodes.push(await plainDecode(idsOf(promptTokens + step, 1)));
      },
      async (step) => {
        // The plain steps have filled the cache up to here, with the same.
        runner.rewindTo(slot, promptTokens + step);
        decodes.push(await timed(idsOf(promptTokens + step, 1)));
      },
    );
    runner.rewindTo(slot, promptTokens);
    const startedAtMs = Date.now();
    const kernels = runner.timeKernels(slot, idsOf(promptTokens, 1)[0] as number, decodeSteps);
    results.push(kernels === undefined ? describe('decode', stages, decodes, plainDecodes, extent) : { kind: 'decode', ...extent, clock: 'device', mode: 'extra', plainStepMs: median(plainDecodes), startedAtMs, ...kernels });
    return results;
  } finally {
    profiles.forEach((profile) => profile[Symbol.dispose]());
  }
}

function describe(kind: OperatorProfile['kind'], stages: readonly Stage[], traced: readonly TracedStep[], plainMs: number[], extent: StepExtent): OperatorProfile {
  // Bytes of the step in the middle: each reads one position more than the one before.
  const middle = kind === 'decode' ? { ...extent, contextTokens: extent.contextTokens + Math.floor(traced.length / 2) } : extent;
  const works = stages.map(({ parts }) => nodeWork(parts.nodes, middle));
  const describeNode = (node: Pick<ProfiledNode, 'name' | 'opType' | 'provider'>, stageIndex: number): ProfiledNode => {
    const { placement, device } = (stages[stageIndex] as Stage).parts;
    // What leaves a stage is the last addition of its last layer.
    const layer = layerOfNode(node.name) ?? (node.name.startsWith('hidden_out') && placement.endLayer > placement.firstLayer ? placement.endLayer - 1 : undefined);
    return { ...node, stageIndex: placement.stageIndex, device: device.id, ...(layer === undefined ? {} : { layer }), ...works[stageIndex]?.get(node.name) };
  };
  const plainStepMs = median(plainMs);
  const common = { kind, ...extent, mode: 'extra', plainStepMs, startedAtMs: performance.timeOrigin + (traced[0]?.startMs ?? 0) } as const;
  const byDevice = hasDeviceTimes(traced) ? collectSteps(traced, 'device', describeNode) : undefined;
  return byDevice !== undefined && addsUpTo(byDevice, plainStepMs)
    ? { ...common, clock: 'device', ...byDevice }
    : { ...common, clock: 'host', ...(byDevice === undefined ? {} : { deviceNodesMs: nodesMs(byDevice) }), ...collectSteps(traced, 'host', describeNode) };
}
