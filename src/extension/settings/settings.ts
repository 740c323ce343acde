/** The settings under `glm.` as typed values. Pure: reads through a function, knows no 'vscode'. */

import { homedir } from 'node:os';
import type { AlignmentMode } from '../../common/alignment';
import { tryParseBytes } from '../../common/byteParse';
import { tryParseDeviceId, type DeviceId, type ProviderKind } from '../../common/deviceId';
import type { KvFormat, WeightFormat } from '../../common/dtype';
import { GlmError } from '../../common/errors';
import { expandHome } from '../../common/homePath';
import type { DeviceMapRequest } from '../../common/placement';
import type { LoadOptions } from '../../common/protocol/engine';
import { namesMapFile, parseDeviceMapText } from '../../devices/plan/deviceMapText';
import type { GenerationOptions } from '../../common/sampling';

/** Reads one setting by its name without the `glm.` prefix; undefined when it is unset. */
export type SettingReader = (name: string) => unknown;

export interface Settings {
  readonly model: string;
  readonly autoLoad: 'demoOnly' | 'always' | 'never';
  readonly confirmLoad: boolean;
  readonly idleUnloadMs: number;
  readonly restartOnce: boolean;
  readonly telemetryIntervalMs: number;
  readonly systemPrompt: string;
  readonly options: GenerationOptions;
  readonly maxConversations: number;
  readonly cudaLibraryFolders: readonly string[];
}

/** Setting names behind the generation options, for writing them back. */
export const optionSettingNames: Readonly<Record<keyof GenerationOptions, string>> = {
  doSample: 'sampling.doSample',
  temperature: 'sampling.temperature',
  topK: 'sampling.topK',
  topP: 'sampling.topP',
  minP: 'sampling.minP',
  repetitionPenalty: 'sampling.repetitionPenalty',
  seed: 'sampling.seed',
  maxNewTokens: 'maxNewTokens',
  minNewTokens: 'minNewTokens',
  stopStrings: 'stopStrings',
  ignoreEos: 'ignoreEos',
};

/** Reads everything but the load options. A value of the wrong type falls back to the default, as the editor itself underlines it. */
export function readSettings(read: SettingReader): Settings {
  const number = (name: string, fallback: number, min: number, max = Number.MAX_SAFE_INTEGER): number => {
    const value = read(name);
    return typeof value === 'number' && Number.isFinite(value) ? Math.min(max, Math.max(min, value)) : fallback;
  };
  const seed = read('sampling.seed');
  return {
    model: text(read('model')).trim(),
    autoLoad: oneOf(read('autoLoad'), ['demoOnly', 'always', 'never'] as const, 'demoOnly'),
    confirmLoad: read('confirmLoad') !== false,
    idleUnloadMs: number('idleUnloadMinutes', 30, 0) * 60_000,
    restartOnce: read('restartAfterCrash') !== 'never',
    telemetryIntervalMs: Math.round(number('telemetryIntervalMs', 1000, 200, 10_000)),
    systemPrompt: text(read('systemPrompt')),
    options: {
      doSample: read('sampling.doSample') !== false,
      temperature: number('sampling.temperature', 0.7, 0.01, 5),
      topK: Math.round(number('sampling.topK', 0, 0)),
      topP: number('sampling.topP', 0.8, 0.001, 1),
      minP: number('sampling.minP', 0, 0, 1),
      repetitionPenalty: number('sampling.repetitionPenalty', 1, 0.01, 5),
      ...(typeof seed === 'number' && Number.isInteger(seed) && seed >= 0 ? { seed } : {}),
      maxNewTokens: Math.round(number('maxNewTokens', 1024, 1)),
      minNewTokens: Math.round(number('minNewTokens', 0, 0)),
      stopStrings: texts(read('stopStrings')),
      ignoreEos: read('ignoreEos') === true,
    },
    maxConversations: Math.round(number('history.maxConversations', 200, 1, 5000)),
    cudaLibraryFolders: texts(read('cudaLibraryFolders')).map((folder) => expandHome(folder, homedir())),
  };
}

/**
 * What to load and how. `defaultCacheFolder` is used when no folder is set; `readMapFile` reads a file that `glm.deviceMap` names.
 *
 * @throws {GlmError} `bad-setting` naming the setting that cannot be understood.
 */
export function readLoadOptions(read: SettingReader, source: string, defaultCacheFolder: string, readMapFile: MapFileReader = noMapFile): LoadOptions {
  const contextTokens = read('contextLength');
  const cpuThreads = read('cpuThreads');
  const ortLibrary = expandHome(text(read('ortLibrary')).trim(), homedir());
  const maxMemoryBytes = parseMaxMemory(read('maxMemory'));
  const includeDevices = parseDevices('includeDevices', read('includeDevices'));
  const excludeDevices = parseDevices('excludeDevices', read('excludeDevices'));
  return {
    source,
    provider: oneOf<ProviderKind | 'auto'>(read('provider'), ['auto', 'cuda', 'webgpu', 'cpu'], 'auto'),
    weights: oneOf<WeightFormat | 'auto'>(read('weights'), ['auto', 'bf16', 'f16', 'f32', 'int8', 'int4'], 'auto'),
    kvCache: oneOf<KvFormat | 'auto'>(read('kvCache'), ['auto', 'f32', 'f16', 'bf16', 'int8'], 'auto'),
    ...(isPositive(contextTokens) ? { contextTokens: Math.round(contextTokens) } : {}),
    maxBatch: 1,
    deviceMap: parseDeviceMap(read('deviceMap'), readMapFile),
    ...(maxMemoryBytes === undefined ? {} : { maxMemoryBytes }),
    ...(includeDevices.length === 0 ? {} : { includeDevices }),
    ...(excludeDevices.length === 0 ? {} : { excludeDevices }),
    allowSoftwareGpu: read('allowSoftwareGpu') === true,
    ...(isPositive(cpuThreads) ? { cpuThreads: Math.round(cpuThreads) } : {}),
    cacheFolder: expandHome(text(read('cacheFolder')).trim(), homedir()) || defaultCacheFolder,
    ...(ortLibrary === '' ? {} : { ortLibrary }),
    alignment: oneOf<AlignmentMode>(read('deviceAlignment'), ['autoFix', 'warn', 'off'], 'autoFix'),
  };
}

/** The text of a file as `glm.deviceMap` names it, with its whole path; undefined when there is none. */
export type MapFileReader = (name: string) => { readonly path: string; readonly text: string } | undefined;

const noMapFile: MapFileReader = () => undefined;

function parseDeviceMap(value: unknown, readMapFile: MapFileReader): DeviceMapRequest {
  if (value === undefined || value === null || value === '' || value === 'auto') {
    return { kind: 'auto' };
  }
  if (value === 'balanced' || value === 'sequential') {
    return { kind: value };
  }
  if (value === 'single') {
    return { kind: 'single' };
  }
  if (typeof value === 'string' && namesMapFile(value)) {
    return readMap(value.trim(), readMapFile);
  }
  if (typeof value === 'string') {
    const device = tryParseDeviceId(value.trim());
    if (device !== undefined) {
      return { kind: 'single', device };
    }
  } else if (isRecord(value) && Object.values(value).every((target) => typeof target === 'string' || typeof target === 'number')) {
    return Object.keys(value).length === 0 ? { kind: 'auto' } : { kind: 'map', map: value as Record<string, string | number> };
  }
  throw badSetting('deviceMap', JSON.stringify(value), '`auto`, `balanced`, `sequential`, a device such as `cuda:0`, a map from module names to devices, or a JSON file with such a map');
}

function readMap(name: string, readMapFile: MapFileReader): DeviceMapRequest {
  const file = readMapFile(name);
  if (file === undefined) {
    throw badSetting('deviceMap', `"${name}"`, 'a file that can be read; a relative path begins at the folder of the workspace');
  }
  try {
    return { kind: 'map', map: parseDeviceMapText(file.text), file: file.path };
  } catch (error) {
    throw badSetting('deviceMap', `"${name}", and that file holds ${(error as SyntaxError).message}`, 'a JSON file such as {"model.layers.0-19": "cuda:0", "model.layers.20-39": "cpu"}');
  }
}

function parseMaxMemory(value: unknown): Record<string, number> | undefined {
  if (!isRecord(value) || Object.keys(value).length === 0) {
    return undefined;
  }
  const result: Record<string, number> = {};
  for (const [name, size] of Object.entries(value)) {
    // accelerate's max_memory names GPUs by index.
    const device = /^\d+$/.test(name) ? tryParseDeviceId(`cuda:${name}`) : tryParseDeviceId(name);
    const bytes = typeof size === 'string' || typeof size === 'number' ? tryParseBytes(size) : undefined;
    if (device === undefined || bytes === undefined) {
      throw badSetting('maxMemory', `${name}: ${JSON.stringify(size)}`, 'devices with sizes, such as {"cuda:0": "20GiB"}');
    }
    result[device] = bytes;
  }
  return result;
}

function parseDevices(name: string, value: unknown): readonly DeviceId[] {
  return texts(value).map((item) => {
    const device = tryParseDeviceId(item.trim());
    if (device === undefined) {
      throw badSetting(name, JSON.stringify(item), 'devices such as `cuda:0`, `webgpu:0` or `cpu`');
    }
    return device;
  });
}

function badSetting(name: string, found: string, expected: string): GlmError {
  return new GlmError('bad-setting', `The setting glm.${name} holds ${found}, which cannot be understood. It takes ${expected}.`, {
    fields: { setting: `glm.${name}` },
    next: [{ label: `Open glm.${name}`, command: 'glm.openSettings', args: [`glm.${name}`] }],
  });
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string' && item !== '') : [];
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], fallback: T): T {
  return allowed.find((item) => item === value) ?? fallback;
}

function isPositive(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
