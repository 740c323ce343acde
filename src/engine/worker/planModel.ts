/** From a request to a plan: formats, sizes, context, placement. Opens files to read headers; loads nothing. */

import type { Checkpoint } from '../../checkpoint/checkpoint';
import { openCheckpoint } from '../../checkpoint/openCheckpoint';
import type { ProviderKind } from '../../common/deviceId';
import type { WeightFormat } from '../../common/dtype';
import { isGlmError } from '../../common/errors';
import type { DeviceBudget, MemoryNeed, ModelSizes, PlacementFormats, PlacementPlan } from '../../common/placement';
import type { DecodeRead, LoadOptions, ModelDescription } from '../../common/protocol/engine';
import { planPlacement } from '../../devices/plan/planPlacement';
import { parseGlmConfig, type GlmConfig } from '../../model/config';
import { modelSizes } from '../../model/modelSizes';
import type { GlmTokenizer } from '../../tokenizer/glmTokenizer';
import { assertProviderPresent } from './assertProvider';
import { chooseFormats, type FormatChoice } from './chooseFormats';
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

/** @throws {ProviderAbsentError} @throws {ModelDoesNotFitError} @throws {DeviceMapError} @throws {NoUsableDeviceError} @throws {GlmError} `weights-unsupported`, `kv-unsupported` */
export function planModel({ checkpoint, config }: Pick<OpenedModel, 'checkpoint' | 'config'>, options: LoadOptions, devices: readonly DeviceBudget[]): ModelPlan {
  assertProviderPresent(options.provider, devices);
  const fileDtype = mainDtype(checkpoint);
  const sizesOf = (provider: ProviderKind, weights: WeightFormat, kv: FormatChoice['kvCache'] = 'f32'): ModelSizes => modelSizes(config, weights, kv, { provider, fileDtype });
  const chosen = chooseFormats(options, devices, (provider, weights) => weightBytes(sizesOf(provider, weights)));
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
  const placeWith = (chunkTokens: number, contextTokens: number): PlacementPlan => {
    const need: MemoryNeed = { contextTokens, maxBatch: options.maxBatch, prefillChunkTokens: Math.min(chunkTokens, contextTokens), headroomBytes: headroomBytes[provider] };
    return planPlacement(sizes, devices.filter((device) => device.provider === provider || device.provider === 'cpu'), need, options.deviceMap, placementFormats, {
      maxMemoryBytes: options.maxMemoryBytes,
      includeDevices: options.includeDevices,
      excludeDevices: options.excludeDevices,
      numStages: options.numStages,
      maxContextTokens: config.maxContextTokens,
    });
  };
  const planWith = (chunkTokens: number): PlacementPlan => {
    const place = (contextTokens: number): PlacementPlan => placeWith(chunkTokens, contextTokens);
    return options.contextTokens === undefined ? placeWhatFits(place, Math.min(defaultContextTokens[provider], config.maxContextTokens)) : place(options.contextTokens);
  };
  const { plan, chunkTokens } = planChunk(provider, planWith);
  return {
    plan: withContextWarnings(plan, options, config),
    formats,
    prefillChunkTokens: Math.min(chunkTokens, plan.contextTokens),
    ...(provider === 'webgpu' ? { firstChunkTokens: prefillChunkTokens.webgpu } : {}),
    decodeReads: decodeReads(plan, (stage) => (stage.provider === provider ? sizes : (placementFormats.cpu?.sizes ?? sizes))),
  };
}

/** Longer chunks on GPUs, unless their activations would cost layers or context. */
function planChunk(provider: ProviderKind, planWith: (chunkTokens: number) => PlacementPlan): { readonly plan: PlacementPlan; readonly chunkTokens: number } {
  const usual = { plan: planWith(prefillChunkTokens[provider]), chunkTokens: prefillChunkTokens[provider] };
  if (provider === 'cpu') {
    return usual;
  }
  const chunkTokens = usual.plan.stages.length > 1 ? longChunkTokens.severalStages : longChunkTokens.oneStage;
  try {
    const plan = planWith(chunkTokens);
    return isSameLayout(plan, usual.plan) ? { plan, chunkTokens } : usual;
  } catch (error) {
    if (isGlmError(error) && error.code === 'model-does-not-fit') {
      return usual;
    }
    throw error;
  }
}

function isSameLayout(a: PlacementPlan, b: PlacementPlan): boolean {
  const layout = (plan: PlacementPlan): string => JSON.stringify([plan.contextTokens, plan.stages.map(({ device, firstLayer, endLayer }) => [device, firstLayer, endLayer])]);
  return layout(a) === layout(b);
}

/** Nobody asked for a certain context: take less where the usual one does not fit. */
function placeWhatFits(place: (contextTokens: number) => PlacementPlan, contextTokens: number): PlacementPlan {
  try {
    return place(contextTokens);
  } catch (error) {
    const largest = isGlmError(error) && error.code === 'model-does-not-fit' ? Number(error.fields.largestContextTokens) : 0;
    if (!(largest > 0)) {
      throw error;
    }
    const plan = place(Math.min(largest, contextTokens));
    return {
      ...plan,
      warnings: [
        ...plan.warnings,
        { code: 'context-lowered', message: `The context is ${plan.contextTokens.toLocaleString('en-US')} tokens, not ${contextTokens.toLocaleString('en-US')}: more does not fit in the free memory. Free memory or use fewer bits for the weights.` },
      ],
    };
  }
}

function withContextWarnings(plan: PlacementPlan, options: LoadOptions, config: GlmConfig): PlacementPlan {
  if (options.contextTokens === undefined || options.contextTokens <= config.maxContextTokens) {
    return plan;
  }
  const message = `The context of ${options.contextTokens.toLocaleString('en-US')} tokens is longer than the ${config.maxContextTokens.toLocaleString('en-US')} this model was made for; answers may get worse beyond that.`;
  return { ...plan, warnings: [...plan.warnings, { code: 'context-beyond-model', message }] };
}

function weightBytes(sizes: ModelSizes): number {
  return sizes.embeddingBytes + sizes.layerBytes.reduce((sum, bytes) => sum + bytes, 0) + sizes.headBytes - (sizes.sharedHeadBytes ?? 0);
}
