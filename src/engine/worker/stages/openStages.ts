/** Opens a model for running: checks its tensors, packs its weights where needed, builds and loads one session per stage, warms them up. */

import { rmSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { deviceIndex, deviceKind, type DeviceId } from '../../../common/deviceId';
import type { TensorInfo } from '../../../common/dtype';
import { CancelledError, GlmError, isGlmError, throwIfAborted } from '../../../common/errors';
import { silentLog, type Log } from '../../../common/log';
import type { PlacementPlan, StagePlacement } from '../../../common/placement';
import type { LoadProgress } from '../../../common/protocol/engine';
import type { GlmConfig } from '../../../model/config';
import type { KvScales } from '../../../model/kvScales';
import { precisionFor, type FloatDType, type Precision } from '../../../model/precision';
import { buildStageGraph } from '../../../model/stageGraph';
import type { StoredTensor } from '../../../model/storedTensors';
import { assertTensorsMatch } from '../../../model/weightSpecs';
import { Env } from '../../../ort/env';
import { MemoryInfo } from '../../../ort/memory';
import { Session, SessionOptions } from '../../../ort/session';
import type { Value } from '../../../ort/value';
import { packCheckpoint } from '../packing/packCheckpoint';
import type { PackedWeights } from '../packing/packedFile';
import { PackDamagedError, PackGoneError } from '../packing/packErrors';
import { verifyPacked } from '../packing/verifyPacked';
import { checkLongPrefill, useCapturedSteps } from './adapterChecks';
import { allocateHostKv } from './addressedKv';
import { openCpuDevice } from './cpuDevice';
import { openCudaDevice } from './cudaDevice';
import { CudaBatch } from './cudaBatch';
import { CudaPrefill } from './cudaPrefill';
import { FusedChain } from './fusedChain';
import { PackedFormats } from './packedFormats';
import { withMemoryReadings } from './memoryShortage';
import { firstGpuStage, isInForce, lastGpuStage, noMisplacement, type Misplaceable, type Misplacement } from './misplacement';
import { assertProviderAtWork, onCpuInstead, ProviderReplacedError } from './replacedProvider';
import { Stage } from './stage';
import type { StageDevice, StageMemory } from './stageDevice';
import { StageRunner } from './stageRunner';
import { warmUp } from './warmUp';
import { locateWeights } from './weightBytes';
import { openWebgpuDevice, webgpuActivations } from './webgpuDevice';

export interface OpenStagesOptions {
  readonly config: GlmConfig;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly plan: PlacementPlan;
  readonly maxBatch: number;
  /** Folder for packed weights. */
  readonly cacheFolder: string;
  /** Default 256. */
  readonly prefillChunkTokens?: number;
  /** Chunks begin with so many and grow while the device is fast. Default: all of `prefillChunkTokens`. */
  readonly firstChunkTokens?: number;
  /** The most that loading may take longer for a long prompt read as a warm-up; 1.5 s when undefined. */
  readonly longWarmUpLimitMs?: number;
  /** A file or folder with libonnxruntime that replaces the packaged one. */
  readonly ortLibrary?: string;
  readonly cpuThreads?: number;
  readonly accuracyLevel?: 0 | 4;
  /** Needed where the plan holds keys and values as int8; see kvScales/measureKvScales.ts. */
  readonly kvScales?: KvScales;
  /** WebGPU only: f32 where memory allows and exactness matters; default f16. */
  readonly activations?: FloatDType;
  /** Software rasterisers are WebGPU devices only when true. */
  readonly allowSoftwareGpu?: boolean;
  /** Debug option: tensors kept where they are not read. */
  readonly misplacement?: Misplacement;
  /** False: decode with the runtime's kernels on CUDA too; for comparisons. */
  readonly fusedDecode?: boolean;
  /** False: WebGPU runs every decode step anew instead of replaying a captured one; for comparisons. */
  readonly captureDecode?: boolean;
  /** The bundled packing thread; undefined packs in this thread. */
  readonly packThreadFile?: string;
  readonly log?: Log;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: LoadProgress) => void;
}

/**
 * Opens the stages of a plan. The caller disposes the runner.
 *
 * @throws {MissingTensorError | TensorShapeError | TensorDtypeError | PackSpaceError | PackFolderError | OrtLibraryError | OrtCallError | CancelledError}
 *   after everything begun has been released.
 */
export async function openStages(options: OpenStagesOptions): Promise<StageRunner> {
  try {
    return await openStagesOnce(options);
  } catch (error) {
    if (!(error instanceof PackDamagedError || error instanceof PackGoneError)) {
      throw error;
    }
    try {
      rmSync(String(error.fields.path), { force: true });
    } catch {
      // A folder that can only be read: what is wrong with it says more than that.
      throw error;
    }
    options.log?.log('warn', 'stages', `${error.message} They are packed again now.`);
    return openStagesOnce(options);
  }
}

async function openStagesOnce(options: OpenStagesOptions): Promise<StageRunner> {
  const { config, tensors, plan, signal, log = silentLog } = options;
  assertTensorsMatch(config, tensors);
  const prefillChunkTokens = Math.min(options.prefillChunkTokens ?? 256, plan.contextTokens);
  const env = Env.open({ library: options.ortLibrary });
  const packed = new PackedFormats({
    pack: (precision) => packCheckpoint(config, tensors, precision, { cacheFolder: options.cacheFolder, threadFile: options.packThreadFile, signal, onProgress: options.onProgress }),
    verify: (weights, stop) => verifyPacked(weights, { threadFile: options.packThreadFile, signal: stop }),
  });
  const stages: Stage[] = [];
  let runner: StageRunner | undefined;
  try {
    const totalBytes = plan.stages.reduce((sum, stage) => sum + stage.weightBytes, 0);
    let doneBytes = 0;
    const openOn = (placement: StagePlacement): Promise<Stage> => {
      const precision = precisionFor(placement.provider, placement.weightFormat ?? plan.weightFormat, {
        accuracyLevel: options.accuracyLevel,
        kv: placement.kvFormat ?? plan.kvFormat,
        activations: options.activations ?? (placement.provider === 'webgpu' ? webgpuActivations() : undefined),
      });
      const onBytes = (loadedBytes: number): void => options.onProgress?.({ phase: 'loading', device: placement.device, doneBytes: doneBytes + loadedBytes, totalBytes });
      const open = (usesOperators: boolean): Promise<Stage> =>
        openStage(env, placement, precision, stages[stages.length - 1]?.parts.precision.residual, () => packed.of(precision), onBytes, options, usesOperators);
      return openWithOrWithout(open, placement, log);
    };
    for (const placement of plan.stages) {
      throwIfAborted(signal, 'Loading the model');
      const startedMs = performance.now();
      stages.push(await openOn(placement).catch((error: unknown) => openReplaced(error, placement, openOn, options)));
      doneBytes += placement.weightBytes;
      options.onProgress?.({ phase: 'loading', device: placement.device, doneBytes, totalBytes });
      log.log('info', 'stages', `stage ${placement.stageIndex} loaded`, { device: placement.device, elapsedMs: performance.now() - startedMs });
    }
    const fused = await openFusedChain(stages, options);
    const hostInfo = new MemoryInfo(env.library, 'Cpu');
    runner = new StageRunner(stages, hostInfo, {
      fused,
      prefill: fused === undefined ? undefined : new CudaPrefill(stages, hostInfo, { vocabSize: config.vocabSize, hiddenSize: config.hiddenSize, maxChunkTokens: prefillChunkTokens, kernelImage: fused.imageOf(stages.length - 1) }),
      batch: openCudaBatch(fused, stages, options, hostInfo),
      vocabSize: config.vocabSize,
      hiddenSize: config.hiddenSize,
      headDim: config.headDim,
      contextTokens: plan.contextTokens,
      maxBatch: options.maxBatch,
      prefillChunkTokens,
      firstChunkTokens: options.firstChunkTokens,
      runtimeVersion: env.library.version,
    });
    options.onProgress?.({ phase: 'warming-up', doneBytes, totalBytes });
    await warmUp(runner, options.longWarmUpLimitMs);
    await packed.settle();
    if (plan.stages.some((stage) => stage.provider === 'webgpu')) {
      await checkLongPrefill(runner, log);
      await useCapturedSteps(runner, stages, env, log);
    }
    throwIfAborted(signal, 'Loading the model');
    return runner;
  } catch (error) {
    if (runner === undefined) {
      stages.forEach((stage) => stage[Symbol.dispose]());
    } else {
      await runner.dispose();
    }
    // What the runtime says of a file that is gone tells nobody why.
    const gone = error instanceof CancelledError ? undefined : await packed.firstGone();
    throw gone === undefined ? error : new PackGoneError(gone, error);
  } finally {
    await packed.end();
  }
}

async function openStage(
  env: Env,
  placement: StagePlacement,
  plainPrecision: Precision,
  hiddenInDtype: FloatDType | undefined,
  pack: () => Promise<PackedWeights>,
  onBytes: (loadedBytes: number) => void,
  options: OpenStagesOptions,
  usesOperators: boolean,
): Promise<Stage> {
  const { config, tensors, plan } = options;
  const device = openStageDevice(placement.device, options);
  const begun: Disposable[] = [device];
  try {
    assertCacheServed(device, plainPrecision, config.headDim);
    const precision = usesOperators ? await bringOperators(device, env, plainPrecision, options) : plainPrecision;
    if (options.fusedDecode !== false) {
      device.expectDecoding?.(config, precision, plan.contextTokens);
    }
    const packed = device.weightsAs === 'initializers' ? await pack() : undefined;
    const { graph, stored } = buildStageGraph(
      config,
      placement,
      precision,
      packed === undefined ? { kind: 'inputs' } : { kind: 'initializers', locate: (name) => ({ location: basename(packed.path), ...packed.place(name) }) },
      plan.contextTokens,
      (tensor) => (tensors.get(tensor) as TensorInfo).dtype,
      hiddenInDtype,
      { countsPositions: device.capturesSteps, kvScales: options.kvScales, hasCpuNode: isForced(options, 'node') && placement.stageIndex === firstGpuStage(plan) },
    );
    onBytes(0);
    const sessionOptions = new SessionOptions(env.library);
    begun.push(sessionOptions);
    sessionOptions.setGraphOptimization('all').setConfig('session.record_ep_graph_assignment_info', '1');
    if (packed !== undefined) {
      sessionOptions.setConfig('session.model_external_initializers_file_folder_path', dirname(packed.path));
    }
    if (!(isForced(options, 'provider') && placement.provider !== 'cpu' && placement.stageIndex === lastGpuStage(plan))) {
      device.configure(sessionOptions, env);
    }
    const session = await loadSession(env, graph.toModelBytes(), sessionOptions, options.signal);
    begun.push(session);
    assertProviderAtWork(session, placement);
    const movedBytes = (await device.afterLoad?.()) ?? 0;
    options.log?.log('debug', 'stages', 'weights moved onto huge pages', { movedBytes });
    const memory = device.openMemory(env, session, precision);
    begun.push(memory);
    const layers = Array.from({ length: placement.endLayer - placement.firstLayer }, (_, index) => placement.firstLayer + index);
    const slotShape = [config.numKvHeads, plan.contextTokens, config.headDim];
    const { misplacement } = options;
    const isOnGpu = placement.provider !== 'cpu';
    const slots = options.maxBatch + (isForced(options, 'plan') && isOnGpu ? 1 : 0);
    const kv = isForced(options, 'kv') && isOnGpu ? allocateHostKv(env, layers, precision.kv, slots, slotShape) : memory.allocateKv(layers, precision.kv, slots, slotShape);
    begun.push(kv);
    const weights = memory.loadWeights === undefined || packed !== undefined ? new Map<string, Value>() : await loadWeights(memory.loadWeights, stored, precision, pack, onBytes, options);
    const weightBytes = stored.reduce((sum, tensor) => sum + tensor.byteLength, 0);
    sessionOptions.dispose();
    return new Stage({ placement, precision, device, session, memory, kv, weights, weightBytes, kvScales: options.kvScales, nodes: graph.builtNodes, stored, misplacement });
  } catch (error) {
    const neededBytes = placement.weightBytes + placement.kvBytes + placement.activationBytes;
    const told = withMemoryReadings(error, () => (device.memoryReading === undefined ? [] : [{ device: device.id, neededBytes, ...device.memoryReading() }]));
    begun.reverse().forEach((part) => part[Symbol.dispose]());
    throw told;
  }
}

/** On CUDA only the flash kernel has a way for int8 caches: what is stored is widened before it attends (group_query_attention_impl.cu, DequantizeFlashAttentionFallback). */
function assertCacheServed(device: StageDevice, precision: Precision, headDim: number): void {
  const kernel = precision.kv === 'i8' ? device.attentionKernel?.(headDim, precision.kv) : undefined;
  if (kernel !== undefined && kernel !== 'flash') {
    throw new GlmError('kv-unsupported', `${device.id} can't attend to an int8 cache with heads of ${headDim} dimensions: the runtime needs its flash kernel for that, which takes a GPU of compute capability 8.0 or newer and must not be forbidden by ORT_DISABLE_FLASH_ATTENTION. Choose "auto" for the KV cache.`, {
      fields: { device: device.id, kernel, headDim },
    });
  }
}

function isForced({ misplacement = noMisplacement }: OpenStagesOptions, what: Misplaceable): boolean {
  return isInForce(misplacement, what);
}

/** A provider that the runtime left out: the stage runs on the CPU, which is told as a misalignment, or what else went wrong goes on. */
function openReplaced(error: unknown, placement: StagePlacement, openOn: (placement: StagePlacement) => Promise<Stage>, { plan, log = silentLog }: OpenStagesOptions): Promise<Stage> {
  if (!(error instanceof ProviderReplacedError)) {
    throw error;
  }
  log.log('warn', 'stages', error.message);
  return openOn(onCpuInstead(placement, plan.weightFormat));
}

/** A runtime that refuses a graph with operators of ours gets one without. */
async function openWithOrWithout(open: (usesOperators: boolean) => Promise<Stage>, placement: StagePlacement, log: Log): Promise<Stage> {
  try {
    return await open(true);
  } catch (error) {
    if (placement.provider === 'cpu' || !isGlmError(error) || error.code !== 'runtime-call-failed') {
      throw error;
    }
    log.log('warn', 'stages', `The runtime did not take the faster operators on ${placement.device}, so its usual ones are used: ${error.message}`);
    return open(false);
  }
}

/** Operators of our own are faster, never needed: without them the graph is made of the runtime's. */
async function bringOperators(device: StageDevice, env: Env, precision: Precision, { config, log = silentLog }: OpenStagesOptions): Promise<Precision> {
  try {
    return (await device.bringOperators?.(env.library, precision, config)) ?? precision;
  } catch (error) {
    log.log('warn', 'stages', error instanceof Error ? error.message : String(error));
    return precision;
  }
}

/** Loads on a worker thread, which may take seconds while weights are repacked; gives up in the middle when cancelled. */
async function loadSession(env: Env, model: Uint8Array, sessionOptions: SessionOptions, signal: AbortSignal | undefined): Promise<Session> {
  const onAbort = (): void => sessionOptions.cancelLoad();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Session.fromBytes(env, model, sessionOptions);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

async function loadWeights(
  load: NonNullable<StageMemory['loadWeights']>,
  stored: readonly StoredTensor[],
  precision: Precision,
  pack: () => Promise<PackedWeights>,
  onBytes: (loadedBytes: number) => void,
  options: OpenStagesOptions,
): Promise<ReadonlyMap<string, Value>> {
  const runsOf = await locateWeights(stored, precision, options.tensors, pack);
  let loadedBytes = 0;
  const onPiece = (bytes: number): void => {
    loadedBytes += bytes;
    onBytes(loadedBytes);
  };
  return load(stored, runsOf, onPiece, options.signal);
}

/** Decoding one sequence with kernels of our own, where every stage is on a GPU that they serve. Their absence is slower, never wrong, and logged with its reason. */
async function openFusedChain(stages: readonly Stage[], options: OpenStagesOptions): Promise<FusedChain | undefined> {
  const { log = silentLog } = options;
  if (stages.some((stage) => stage.parts.device.provider !== 'cuda') || options.fusedDecode === false) {
    return undefined;
  }
  try {
    const chain = await FusedChain.tryCreate(options.config, stages, options.plan.contextTokens);
    if (typeof chain !== 'string') {
      return chain;
    }
    log.log('warn', 'stages', `Decoding uses the runtime's kernels: ${chain}.`);
  } catch (error) {
    log.log('warn', 'stages', error instanceof Error ? error.message : String(error));
  }
  return undefined;
}

/** Batches as captured graphs; needs the fused chain's compiled kernels for picking the best logits. */
function openCudaBatch(fused: FusedChain | undefined, stages: readonly Stage[], options: OpenStagesOptions, hostInfo: MemoryInfo): CudaBatch | undefined {
  const { config, plan, maxBatch } = options;
  return fused === undefined || maxBatch < 2
    ? undefined
    : new CudaBatch(stages, hostInfo, { vocabSize: config.vocabSize, hiddenSize: config.hiddenSize, contextTokens: plan.contextTokens, maxBatch, kernelImage: fused.imageOf(stages.length - 1) });
}

function openStageDevice(id: DeviceId, options: OpenStagesOptions): StageDevice {
  const kind = deviceKind(id);
  switch (kind) {
    case 'cpu':
      return openCpuDevice({ threads: options.cpuThreads, sharesCores: options.plan.stages.filter((stage) => stage.device === id).length > 1 });
    case 'cuda':
      return openCudaDevice(deviceIndex(id));
    case 'webgpu':
      return openWebgpuDevice({ index: deviceIndex(id), allowSoftware: options.allowSoftwareGpu ?? false, capturesSteps: canCaptureSteps(options) });
    default:
      return kind satisfies never;
  }
}

/** Whether the runtime takes the model as one graph on the device: with dense weights, shapes are computed on the host in between, which it refuses to capture. */
function canCaptureSteps({ plan, captureDecode }: OpenStagesOptions): boolean {
  const [only] = plan.stages;
  const format = only?.weightFormat ?? plan.weightFormat;
  return plan.stages.length === 1 && (format === 'int4' || format === 'int8') && captureDecode !== false;
}

export type { StageRunner } from './stageRunner';
