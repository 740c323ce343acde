/** From a request to a plan: formats, sizes, context, placement. Opens files to read headers; loads nothing. */

import type { Checkpoint } from '../../checkpoint/checkpoint';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import type { ProviderKind } from '../../common/deviceId';
import type { WeightFormat } from '../../common/dtype';
import { GlmError } from '../../common/errors';
import type { DeviceBudget, MemoryNeed, ModelSizes, PlacementFormats, PlacementPlan, PlacementWarning } from '../../common/placement';
import type { DecodeRead, LoadOptions, ModelDescription } from '../../common/protocol/engine';
import { devicesWanted } from '../../devices/plan/eligibleSlots';
import { planPlacement } from '../../devices/plan/planPlacement';
import { parseGlmConfig, type GlmConfig } from '../../model/config';
import { modelSizes } from '../../model/modelSizes';
import { unusedTensors } from '../../model/weightSpecs';
import type { GlmTokenizer } from '../../tokenizer/glmTokenizer';
import { assertProviderPresent } from './assertProvider';
import { chooseFormats, narrowerFormats, type FormatChoice } from './chooseFormats';
import { ifItFits, leastContextTokens, placeWhatFits, usesCpu } from './contextThatFits';
import { decodeReads } from './decodeReads';
import { describeModel, mainDtype } from './describeModel';
import { webgpuActivations } from './stages/webgpuDevice';
import { tokenizerOf } from './tokenizerStore';

/** An opened checkpoint with everything that was made of its small files. */
export interface OpenedModel {
  readonly checkpoint: Checkpoint;
  readonly config: GlmConfig;
  readonly tokenizer: GlmTokenizer;
  readonly description: ModelDescription;
}

export interface ModelPlan {
  readonly plan: PlacementPlan;
  readonly formats: FormatChoice;
  readonly prefillChunkTokens: number;
  /** Where chunks begin with fewer and grow with the speed of the device, which for WebGPU may be anything. */
  readonly firstChunkTokens?: number;
  readonly decodeReads: readonly DecodeRead[];
}

/** The context that is allocated when none is asked for, as far as model and memory allow. */
const defaultContextTokens: Readonly<Record<ProviderKind, number>> = { cpu: 8192, webgpu: 16_384, cuda: 32_768 };

/** One token of a prompt and one of its answer. */
const shortestContextTokens = 2;

/** Long enough to use the device well, short enough that a cancel is soon heard and activations stay small. */
const prefillChunkTokens: Readonly<Record<ProviderKind, number>> = { cpu: 256, webgpu: 512, cuda: 512 };

/** Where memory allows: one GPU multiplies longer chunks faster (CUDA and WebGPU alike), but several need enough chunks to work on at the same time. Measured, see docs/performance.md. */
const longChunkTokens = { oneStage: 2048, severalStages: 1024 } as const;

/** What a runtime takes besides our own allocations: kernels, workspaces, its arena's slack. Measured on tiny models, rounded up. */
const headroomBytes: Readonly<Record<ProviderKind, number>> = { cpu: 192 * 1024 ** 2, webgpu: 512 * 1024 ** 2, cuda: 1024 ** 3 };

export async function openModel(source: string, env: Readonly<Record<string, string | undefined>>, signal?: AbortSignal): Promise<OpenedModel> {
  const checkpoint = await openCheckpoint(source, { env, signal });
  const config = parseGlmConfig(checkpoint.configJson, checkpoint.tensors.keys());
  const tokenizer = tokenizerOf(checkpoint);
  return { checkpoint, config, tokenizer, description: describeModel(checkpoint, config, tokenizer) };
}

/**
 * Weights that `auto` chose become narrower where these would need the CPU, or would leave less than {@link leastContextTokens} of context.
 *
 * @throws {ProviderAbsentError} @throws {ModelDoesNotFitError} @throws {DeviceMapError} @throws {NoUsableDeviceError} @throws {GlmError} `weights-unsupported`, `kv-unsupported`, `context-too-short`
 */
export function planModel({ checkpoint, config }: Pick<OpenedModel, 'checkpoint' | 'config'>, options: LoadOptions, devices: readonly DeviceBudget[]): ModelPlan {
  assertProviderPresent(options.provider, devices);
  assertRoomForAnswer(options.contextTokens ?? config.maxContextTokens);
  devicesWanted(devices, options);
  const fileDtype = mainDtype(checkpoint);
  const sizesOf: SizesOf = (provider, weights, kv = 'f32') => modelSizes(config, weights, kv, { provider, fileDtype });
  const unused = unusedWarnings(config, checkpoint);
  const planIn = (chosen: FormatChoice): ModelPlan => {
    const planned = planInFormats(config, options, devices, sizesOf, chosen);
    return { ...planned, plan: { ...planned.plan, warnings: [...planned.plan.warnings, ...unused] } };
  };
  let chosen = chooseFormats(options, devices, (provider, weights) => weightBytes(sizesOf(provider, weights)));
  for (let narrower = narrowerFormats(options, chosen); narrower !== undefined; narrower = narrowerFormats(options, chosen)) {
    const planned = ifItFits(() => planIn(chosen));
    if (planned !== undefined && isAmple(planned.plan, options, config)) {
      return planned;
    }
    chosen = narrower;
  }
  return planIn(chosen);
}

type SizesOf = (provider: ProviderKind, weights: WeightFormat, kv?: FormatChoice['kvCache']) => ModelSizes;

function planInFormats(config: GlmConfig, options: LoadOptions, devices: readonly DeviceBudget[], sizesOf: SizesOf, chosen: FormatChoice): ModelPlan {
  // An adapter whose shaders have no f16 holds keys and values in twice the bytes.
  const formats: FormatChoice = chosen.provider === 'webgpu' && chosen.kvCache === 'f16' && webgpuActivations() === 'f32' ? { ...chosen, kvCache: 'f32' } : chosen;
  const { provider, weights, kvCache } = formats;
  const sizes = sizesOf(provider, weights, kvCache);
  const cpuKvCache = kvCache === 'int8' ? 'int8' : 'f32';
  const placementFormats: PlacementFormats = {
    weightFormat: weights,
    kvFormat: kvCache,
    ...(provider === 'cpu' ? {} : { cpu: { sizes: sizesOf('cpu', 'int4', cpuKvCache), weightFormat: 'int4', kvFormat: cpuKvCache } }),
  };
  const candidates = devices.filter((device) => device.provider === provider || device.provider === 'cpu');
  const { kind } = options.deviceMap;
  const mayAvoidCpu = kind !== 'map' && kind !== 'single' && devicesWanted(devices, options).some((device) => device.provider === provider && device.provider !== 'cpu');
  const placeOn = (among: readonly DeviceBudget[], chunkTokens: number, contextTokens: number): PlacementPlan => {
    const need: MemoryNeed = { contextTokens, maxBatch: options.maxBatch, prefillChunkTokens: Math.min(chunkTokens, contextTokens), headroomBytes: headroomBytes[provider] };
    return planPlacement(sizes, among, need, options.deviceMap, placementFormats, {
      maxMemoryBytes: options.maxMemoryBytes,
      includeDevices: options.includeDevices?.filter((id) => among.some((device) => device.id === id)),
      excludeDevices: options.excludeDevices,
      numStages: options.numStages,
      maxContextTokens: config.maxContextTokens,
    });
  };
  const planWith = (chunkTokens: number): PlacementPlan =>
    options.contextTokens === undefined
      ? placeWhatFits((among, contextTokens) => placeOn(among, chunkTokens, contextTokens), candidates, mayAvoidCpu, usualContext(provider, config))
      : placeOn(candidates, chunkTokens, options.contextTokens);
  const { plan, chunkTokens } = planChunk(provider, planWith);
  return {
    plan: withWarnings(plan, options, config),
    formats,
    prefillChunkTokens: Math.min(chunkTokens, plan.contextTokens),
    ...(provider === 'webgpu' ? { firstChunkTokens: prefillChunkTokens.webgpu } : {}),
    decodeReads: decodeReads(plan, (stage) => (stage.provider === provider ? sizes : (placementFormats.cpu?.sizes ?? sizes))),
  };
}

function assertRoomForAnswer(contextTokens: number): void {
  if (contextTokens < shortestContextTokens) {
    throw new GlmError('context-too-short', `A context of ${contextTokens} token has no room for an answer: prompt and answer need at least one token each. Ask for a context of ${shortestContextTokens} tokens or more.`);
  }
}

const usualContext = (provider: ProviderKind, config: GlmConfig): number => Math.min(defaultContextTokens[provider], config.maxContextTokens);

/** Whether `auto` may stay with the weights of this plan: nothing on the CPU that nobody put there, and context enough unless a length was asked for. */
function isAmple(plan: PlacementPlan, options: LoadOptions, config: GlmConfig): boolean {
  const isContextAmple = options.contextTokens !== undefined || plan.contextTokens >= Math.min(leastContextTokens, config.maxContextTokens);
  return isContextAmple && (options.deviceMap.kind === 'map' || !usesCpu(plan));
}

/** Longer chunks on GPUs, unless their activations would cost layers or context. */
function planChunk(provider: ProviderKind, planWith: (chunkTokens: number) => PlacementPlan): { readonly plan: PlacementPlan; readonly chunkTokens: number } {
  const usual = { plan: planWith(prefillChunkTokens[provider]), chunkTokens: prefillChunkTokens[provider] };
  if (provider === 'cpu') {
    return usual;
  }
  const chunkTokens = usual.plan.stages.length > 1 ? longChunkTokens.severalStages : longChunkTokens.oneStage;
  const plan = ifItFits(() => planWith(chunkTokens));
  return plan !== undefined && isSameLayout(plan, usual.plan) ? { plan, chunkTokens } : usual;
}

function isSameLayout(a: PlacementPlan, b: PlacementPlan): boolean {
  const layout = (plan: PlacementPlan): string => JSON.stringify([plan.contextTokens, plan.stages.map(({ device, firstLayer, endLayer }) => [device, firstLayer, endLayer])]);
  return layout(a) === layout(b);
}

function withWarnings(plan: PlacementPlan, options: LoadOptions, config: GlmConfig): PlacementPlan {
  if (options.contextTokens === undefined || options.contextTokens <= config.maxContextTokens) {
    return plan;
  }
  const message = `The context of ${options.contextTokens.toLocaleString('en-US')} tokens is longer than the ${config.maxContextTokens.toLocaleString('en-US')} this model was made for; answers may get worse beyond that.`;
  return { ...plan, warnings: [...plan.warnings, { code: 'context-beyond-model', message }] };
}

/** What transformers says too: a configuration that leaves out biases or layers computes without a word of complaint, and wrongly. */
function unusedWarnings(config: GlmConfig, { tensors }: Pick<Checkpoint, 'tensors'>): readonly PlacementWarning[] {
  const unused = unusedTensors(config, tensors);
  const names = `"${unused.slice(0, 3).join('", "')}"${unused.length > 3 ? ' and others' : ''}`;
  return unused.length === 0
    ? []
    : [{ code: 'tensors-unused', message: `${unused.length === 1 ? 'A tensor' : `${unused.length} tensors`} of the checkpoint ${unused.length === 1 ? 'is' : 'are'} not used: ${names}. Where answers make no sense, config.json is probably that of another model.` }];
}

function weightBytes(sizes: ModelSizes): number {
  return sizes.embeddingBytes + sizes.layerBytes.reduce((sum, bytes) => sum + bytes, 0) + sizes.headBytes - (sizes.sharedHeadBytes ?? 0);
}
