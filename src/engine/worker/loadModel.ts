/** Loading, from a request to a model at work: open, plan, stages. Whatever fails or is cancelled, nothing is left behind. */

import type { DeviceId } from '../../common/deviceId';
import { throwIfAborted } from '../../common/errors';
import type { Log } from '../../common/log';
import type { LoadedModel, LoadOptions, LoadProgress } from '../../common/protocol/engine';
import { AlignmentWatch } from './alignmentWatch';
import type { BatchTimer } from './deltaBatcher';
import { listBudgets } from './deviceBudgets';
import { findKvScales } from './kvScales/measureKvScales';
import { findGpusLeftOut, gpuProcesses } from './gpusLeftOut';
import { gpuBudgetSources } from './gpuBudgetSources';
import type { LoadedModels } from './loadedModels';
import { LoadProgressMeter } from './loadProgressMeter';
import { openModel, planModel } from './planModel';
import { anonymousResidentBytes } from './processMemory';
import type { FreeMemory } from './profile/placementReport';
import { ServedModel, type ServedEvents } from './servedModel';
import { planMisplacement } from './stages/misplacement';
import { openStages, type OpenStagesOptions } from './stages/openStages';

export interface LoadContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly timer: BatchTimer;
  readonly events: ServedEvents;
  /** This bundle, for threads that tokenize long texts. */
  readonly bundlePath: string;
  /** The bundle of the packing threads; undefined packs in this thread. */
  readonly packThreadFile: string | undefined;
  readonly loadedModels: LoadedModels;
  onProgress(progress: LoadProgress): void;
}

/** Whoever calls withdraws the announcement when this fails. */
export async function loadModel(options: LoadOptions, context: LoadContext, signal: AbortSignal): Promise<ServedModel> {
  const { timer, log } = context;
  const startedMs = timer.nowMs();
  const hostBytesBefore = anonymousResidentBytes();
  const meter = new LoadProgressMeter((progress) => context.onProgress(progress), () => timer.nowMs());
  meter.report({ phase: 'reading', doneBytes: 0, totalBytes: 0 });
  const opened = await openModel(options.source, context.env, signal);
  const devicesAtPlan = await listBudgets(options, gpuBudgetSources);
  const { plan, formats, prefillChunkTokens, firstChunkTokens, decodeReads } = planModel(opened, options, devicesAtPlan);
  throwIfAborted(signal, 'Loading the model');
  log.log('info', 'load', `${opened.description.name} as ${formats.weights} on ${plan.stages.map((stage) => stage.device).join(', ')}, context ${plan.contextTokens}`);
  // From now on, so that other engines do not lay what this load takes to a stranger.
  context.loadedModels.announce(opened.description.name, bytesByDevice(plan.stages.map((stage) => [stage.device, stage.weightBytes + stage.kvBytes + stage.activationBytes])));
  const comparesKinds = options.misplace !== undefined && (options.alignment !== 'autoFix' || options.misplace.includes('node'));
  const stageOptions: OpenStagesOptions = {
    config: opened.config,
    tensors: opened.checkpoint.tensors,
    plan,
    maxBatch: options.maxBatch,
    cacheFolder: options.cacheFolder,
    prefillChunkTokens,
    firstChunkTokens,
    ortLibrary: options.ortLibrary,
    cpuThreads: options.cpuThreads,
    accuracyLevel: options.accuracyLevel,
    allowSoftwareGpu: options.allowSoftwareGpu,
    misplacement: planMisplacement(options.misplace, options.alignment, plan),
    // Kernels of our own keep their tensors where they are read: what is misplaced, and what it is compared with, runs without them.
    fusedDecode: comparesKinds ? false : undefined,
    captureDecode: comparesKinds ? false : undefined,
    packThreadFile: context.packThreadFile,
    log,
    signal,
    onProgress: (progress) => meter.report(progress),
  };
  const kvScales = formats.kvCache === 'int8' ? await findKvScales(stageOptions, opened.tokenizer) : undefined;
  const runner = await openStages({ ...stageOptions, kvScales });
  if (signal.aborted) {
    await runner.dispose();
    throwIfAborted(signal, 'Loading the model');
  }
  const loaded: LoadedModel = {
    description: opened.description,
    plan,
    assignments: runner.assignments(),
    memory: runner.memoryUse(),
    weights: formats.weights,
    kvCache: formats.kvCache,
    contextTokens: plan.contextTokens,
    maxBatch: options.maxBatch,
    loadMs: timer.nowMs() - startedMs,
    runtimeVersion: runner.runtimeVersion,
    decodeReads,
    ...(devicesAtPlan.some(({ id, isSoftware }) => isSoftware === true && plan.stages.some((stage) => stage.device === id)) ? { simulated: true } : {}),
  };
  const usesGpu = plan.stages.some((stage) => stage.provider !== 'cpu');
  const devicesNow = usesGpu ? await listBudgets(options, gpuBudgetSources).catch(() => devicesAtPlan) : devicesAtPlan;
  const devicesAfterLoad = usesGpu ? devicesNow : await listBudgets(options, []);
  const freeMemory = async (): Promise<FreeMemory> => ({
    beforeLoad: devicesAtPlan,
    afterLoad: devicesAfterLoad,
    now: await listBudgets(options, usesGpu ? gpuBudgetSources : []),
    ownHostBytes: takenSince(hostBytesBefore),
  });
  const alignment = new AlignmentWatch({
    loaded,
    runner,
    options,
    devicesAtPlan,
    devicesNow,
    otherModels: () => context.loadedModels.others(),
    gpusLeftOut: await findGpusLeftOut(options, devicesAtPlan, plan).catch(() => []),
    processes: gpuProcesses,
    log,
    onMessage: (message) => context.events.onAlignment(message),
    onResolved: (keys) => context.events.onAlignmentResolved(keys),
  });
  alignment.look();
  if (usesGpu) {
    alignment.keepLooking(timer);
  }
  context.loadedModels.announce(opened.description.name, bytesByDevice(loaded.memory.map((use) => [use.device, use.weightBytes + use.kvBytes + use.stagingBytes + (use.activationBytes ?? 0)])));
  const text = { tokenizer: opened.tokenizer, folder: opened.checkpoint.folder, env: context.env, bundlePath: context.bundlePath };
  return new ServedModel({ loaded: { ...loaded, alignment: alignment.messages }, alignment, runner, text, timer, events: context.events, freeMemory });
}

function takenSince(bytesBefore: number | undefined): number | undefined {
  const bytes = anonymousResidentBytes();
  return bytes === undefined || bytesBefore === undefined ? undefined : Math.max(0, bytes - bytesBefore);
}

function bytesByDevice(parts: readonly (readonly [DeviceId, number])[]): ReadonlyMap<DeviceId, number> {
  const sums = new Map<DeviceId, number>();
  parts.forEach(([device, bytes]) => sums.set(device, (sums.get(device) ?? 0) + bytes));
  return sums;
}
