/** The options of every command that loads a model, and what they become. */

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { tryParseDeviceId, type DeviceId, type ProviderKind } from '../../common/deviceId';
import { weightFormats, type KvFormat, type WeightFormat } from '../../common/dtype';
import { expandHome } from '../../common/homePath';
import { namesMapFile, parseDeviceMapText } from '../../devices/plan/deviceMapText';
import type { DeviceMapRequest } from '../../common/placement';
import type { LoadOptions } from '../../common/protocol/engine';
import { defaultCacheFolder } from '../../engine/client/cacheFolder';
import { UsageError, type Invocation } from '../command';
import { deviceList, memoryLimits, wholeNumber } from './optionValues';

export interface LoadFlags {
  readonly model: string;
  readonly provider: ProviderKind | 'auto';
  readonly weights: WeightFormat | 'auto';
  readonly kvCache: KvFormat | 'auto';
  readonly stages?: number;
  readonly context?: number;
  readonly maxBatch?: number;
  readonly threads?: number;
  readonly accuracyLevel?: '0' | '4';
  readonly deviceMap: string;
  readonly maxMemory?: Readonly<Record<string, number>>;
  readonly include?: readonly DeviceId[];
  readonly exclude?: readonly DeviceId[];
  readonly softwareGpu?: boolean;
  readonly cacheFolder?: string;
  readonly ortLibrary?: string;
  readonly alignment: LoadOptions['alignment'];
  readonly misplace?: readonly string[];
}

const misplaceable = ['input_ids', 'hidden', 'kv', 'logits'] as const;

/** @param fallback  What is taken when none is named; undefined makes the option a must. */
export function addModelOption(command: Command, fallback?: string): Command {
  const description = 'checkpoint folder, or org/name in the Hugging Face cache';
  return fallback === undefined
    ? command.requiredOption('--model <folder>', description)
    : command.addOption(new Option('--model <folder>', description).default(fallback, 'the demo model'));
}

export function addLoadOptions(command: Command, fallbackModel?: string): Command {
  return addModelOption(command, fallbackModel)
    .addOption(new Option('--provider <name>', 'what runs the model').choices(['auto', 'cpu', 'webgpu', 'cuda']).default('auto'))
    .addOption(new Option('--weights <format>', 'how weights are held').choices(['auto', ...weightFormats]).default('auto'))
    .addOption(new Option('--kv-cache <format>', 'how keys and values are held; int8 not on webgpu').choices(['auto', 'f32', 'f16', 'bf16', 'int8']).default('auto'))
    .option('--stages <n>', 'cut the model into this many stages', wholeNumber(1, 1024))
    .option('--context <tokens>', 'positions to allocate per sequence', wholeNumber(2))
    .option('--max-batch <n>', 'sequences decoded together', wholeNumber(1, 1024))
    .option('--threads <n>', 'CPU threads of the engine', wholeNumber(1, 1024))
    .addOption(new Option('--accuracy-level <level>', 'int4 and int8 on the CPU: 4 rounds activations to int8 (fast), 0 keeps them in f32').choices(['0', '4']))
    .option('--device-map <map>', 'auto, balanced, sequential, single, a device, or a JSON map of modules to devices, written out or in a .json file', 'auto')
    .option('--max-memory <limits>', 'most bytes per device: cuda:0=20GiB,cpu=64GiB or {"0": "20GiB"}', memoryLimits)
    .option('--include <devices>', 'use only these devices: cuda:0,cuda:1', deviceList)
    .option('--exclude <devices>', 'do not use these devices', deviceList)
    .option('--software-gpu', 'let a software rasteriser count as a WebGPU device')
    .option('--cache-folder <folder>', 'where packed weights are kept')
    .option('--ort-library <path>', 'use this libonnxruntime (file or folder) in place of the packaged one')
    .addOption(new Option('--alignment <mode>', 'what to do about tensors on the wrong device').choices(['autoFix', 'warn', 'off']).default('autoFix'))
    .addOption(new Option('--misplace <tensors>', 'debug: put these on the wrong device on purpose').argParser((text: string) => text.split(',')).hideHelp());
}

/**
 * What the flags ask for, with the CUDA libraries of this machine where they are complete and wanted. Call before the engine is started.
 *
 * @param numPrompts  See {@link toLoadOptions}.
 */
export async function resolveLoadOptions(flags: LoadFlags, { context, log }: Pick<Invocation, 'context' | 'log'>, numPrompts = 1): Promise<LoadOptions> {
  const options = toLoadOptions(flags, context.env, numPrompts);
  const wantsCuda = (options.provider === 'auto' || options.provider === 'cuda') && options.ortLibrary === undefined && !context.env.GLM_ORT_LIBRARY;
  const ortLibrary = wantsCuda ? await context.prepareCuda(log) : undefined;
  return ortLibrary === undefined ? options : { ...options, ortLibrary };
}

/** @param numPrompts  How many sequences the command will run; the default of `--max-batch`, up to 16. */
export function toLoadOptions(flags: LoadFlags, env: Readonly<Record<string, string | undefined>>, numPrompts = 1): LoadOptions {
  const unknown = flags.misplace?.find((name) => !(misplaceable as readonly string[]).includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`--misplace knows ${misplaceable.join(', ')}, not "${unknown}".`);
  }
  return {
    source: flags.model,
    provider: flags.provider,
    weights: flags.weights,
    kvCache: flags.kvCache,
    contextTokens: flags.context,
    maxBatch: flags.maxBatch ?? Math.min(Math.max(numPrompts, 1), 16),
    deviceMap: parseDeviceMap(flags.deviceMap),
    numStages: flags.stages,
    maxMemoryBytes: flags.maxMemory,
    includeDevices: flags.include,
    excludeDevices: flags.exclude,
    allowSoftwareGpu: flags.softwareGpu === true,
    cpuThreads: flags.threads,
    cacheFolder: expandHome(flags.cacheFolder ?? defaultCacheFolder(env), homedir()),
    ortLibrary: flags.ortLibrary === undefined ? undefined : expandHome(flags.ortLibrary, homedir()),
    alignment: flags.alignment,
    accuracyLevel: flags.accuracyLevel === undefined ? undefined : flags.accuracyLevel === '0' ? 0 : 4,
    misplace: flags.misplace as LoadOptions['misplace'],
  };
}

/** A name, a device (`cuda:1` means `single` on it), a JSON map, or a file with one. */
export function parseDeviceMap(text: string): DeviceMapRequest {
  if (text === 'auto' || text === 'balanced' || text === 'sequential' || text === 'single') {
    return { kind: text };
  }
  const device = tryParseDeviceId(text);
  if (device !== undefined) {
    return { kind: 'single', device };
  }
  if (namesMapFile(text)) {
    return readMapFile(text);
  }
  if (!text.trim().startsWith('{')) {
    throw new UsageError(`--device-map takes auto, balanced, sequential, single, a device such as cuda:0, a JSON map, or a .json file with one, not "${text}".`);
  }
  try {
    return { kind: 'map', map: parseDeviceMapText(text) };
  } catch (error) {
    throw new UsageError(`--device-map holds ${(error as Error).message}.`);
  }
}

function readMapFile(name: string): DeviceMapRequest {
  let text: string;
  try {
    text = readFileSync(name, 'utf8');
  } catch (error) {
    throw new UsageError(`--device-map: ${name} can't be read: ${(error as Error).message}.`);
  }
  try {
    return { kind: 'map', map: parseDeviceMapText(text), file: resolve(name) };
  } catch (error) {
    throw new UsageError(`--device-map: ${name} holds ${(error as Error).message}.`);
  }
}
