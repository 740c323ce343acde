/** Reads a saved profile. The file may come from anywhere: what is wrong is named, and nothing of it gets further. */

import { describeJsonError, describeOtherSchema, hasFields, isAmount, isBoolean, isCount, isNumber, isNumberList, isOneOf, isText, listOf, mapOf, matches, optional } from '../common/checkShape';
import { GlmError } from '../common/errors';
import { profileSchema, type Profile } from '../common/profile';

/**
 * A profile that can't be read.
 *
 * Cause: not JSON, another schema, or fields of the wrong type. Handled by: the CLI and the profiler's panel, which show it.
 */
export class ProfileFormatError extends GlmError {
  constructor(source: string, reason: string, cause?: unknown) {
    super('profile-format', `${source} is not a profile of the schema ${profileSchema}: ${reason}. Record one with "GLM: Open Profiler" or "glm profile --out".`, { fields: { source, reason }, cause });
  }
}

/** Ten minutes and a few thousand profiled steps are some tens of megabytes. Readers that know a file's size before look at it first. */
export const mostProfileBytes = 256 * 1024 * 1024;
const mostSamples = 100_000;

export function profileTooLarge(source: string, bytes: number): ProfileFormatError {
  return new ProfileFormatError(source, `it has ${Math.round(bytes / 1024 ** 2)} MiB, more than any profile needs`);
}

/**
 * @param source  What to call it in an error.
 * @throws {ProfileFormatError}
 */
export function parseProfile(text: string, source = 'The file'): Profile {
  if (text.length > mostProfileBytes) {
    throw profileTooLarge(source, text.length);
  }
  let value: unknown;
  try {
    // What Windows wrote begins with a byte order mark.
    value = JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (cause) {
    throw new ProfileFormatError(source, describeJsonError(text, cause), cause);
  }
  const problem = describeOtherSchema(value, profileSchema) ?? isProfile(value, '');
  if (problem !== undefined) {
    throw new ProfileFormatError(source, problem);
  }
  return value as Profile;
}

const isDevice = matches(/^(cpu|(cuda|webgpu|amd|intel):\d{1,3})$/, 'device');
const isProvider = isOneOf('cpu', 'cuda', 'webgpu');
const isClock = isOneOf('device', 'host');

const isMemoryUse = hasFields({ device: isDevice, weightBytes: isAmount, kvBytes: isAmount, activationBytes: optional(isAmount), stagingBytes: isAmount });

const isReading = hasFields({
  id: isText,
  ...Object.fromEntries(
    ['utilizationPercent', 'usedBytes', 'freeBytes', 'totalBytes', 'temperatureCelsius', 'powerWatts', 'powerLimitWatts', 'smClockMhz', 'memoryClockMhz', 'pcieTxBytesPerSecond', 'pcieRxBytesPerSecond', 'ownUtilizationPercent', 'ownBytes'].map(
      (name) => [name, optional(isNumber)],
    ),
  ),
  throttleReasons: optional(listOf(isText, 100)),
  processes: optional(listOf(hasFields({ pid: isCount, usedBytes: optional(isAmount), name: optional(isText) }), 10_000)),
  lost: optional(isText),
});

const isSpan = hasFields({
  kind: isOneOf('queue', 'tokenize', 'prefill', 'decode', 'copy', 'sample', 'detokenize'),
  startMs: isNumber,
  durationMs: isAmount,
  tokens: optional(isCount),
  bytes: optional(isAmount),
  from: optional(isDevice),
  to: optional(isDevice),
  clock: optional(isClock),
});

const isGeneration = hasFields({
  generationId: isText,
  submittedAtMs: isNumber,
  totalMs: isAmount,
  promptTokens: isCount,
  reusedTokens: isCount,
  generatedTokens: isCount,
  clock: optional(isClock),
  spans: listOf(isSpan),
  memory: listOf(hasFields({ atMs: isNumber, devices: listOf(isMemoryUse, 1000) })),
});

const nodeFields = { name: isText, opType: isText, provider: isText, stageIndex: isCount, device: isDevice, layer: optional(isCount) };

const isOperatorProfile = hasFields(
  {
    kind: isOneOf('prefill', 'decode'),
    tokens: isCount,
    contextTokens: isCount,
    clock: isClock,
    mode: isOneOf('as-run', 'extra'),
    startedAtMs: optional(isNumber),
    plainStepMs: optional(isAmount),
    deviceNodesMs: optional(isAmount),
    nodes: listOf(hasFields({ ...nodeFields, bytes: optional(isAmount), flops: optional(isAmount) })),
    steps: listOf(hasFields({ startMs: isNumber, durationMs: isAmount })),
    startsUs: isNumberList,
    durationsUs: isNumberList,
  },
  ({ nodes, steps, startsUs, durationsUs }, path) => {
    const expected = (nodes as readonly unknown[]).length * (steps as readonly unknown[]).length;
    return [startsUs, durationsUs].every((list) => (list as readonly unknown[]).length === expected) ? undefined : `${path} has ${expected} node times to tell, but lists of another length`;
  },
);

const isPlacement = hasFields({
  parts: listOf(
    hasFields({
      part: isOneOf('embedding', 'layer', 'head'),
      layer: optional(isCount),
      stageIndex: isCount,
      device: isDevice,
      weightBytes: isAmount,
      kvBytesPerPosition: isAmount,
      decodeMs: optional(isAmount),
      prefillMs: optional(isAmount),
      clock: optional(isClock),
    }),
    10_000,
  ),
  copies: listOf(hasFields({ fromStage: isCount, toStage: isCount, from: isDevice, to: isDevice, route: isOneOf('same-device', 'peer', 'host'), bytesPerToken: isAmount, msPerToken: optional(isAmount) }), 10_000),
  nodes: listOf(hasFields(nodeFields)),
});

const isForecast = hasFields({
  devices: listOf(
    hasFields({
      device: isDevice,
      name: isText,
      weightBytes: isAmount,
      kvBytesPerPosition: isAmount,
      kvStepPositions: isCount,
      fixedBytes: isAmount,
      bytesPerSequence: isAmount,
      totalBytes: optional(isAmount),
      availableBytes: optional(isAmount),
    }),
    1000,
  ),
  maxContextTokens: isCount,
  contextTokens: isCount,
  maxBatch: isCount,
});

const isModel = hasFields({
  description: hasFields({ name: isText, folder: isText, architecture: isText, numLayers: isCount, hiddenSize: isCount, vocabSize: isCount, maxContextTokens: isCount, parameterCount: isAmount }),
  weights: isText,
  kvCache: isText,
  contextTokens: isCount,
  maxBatch: isCount,
  runtimeVersion: isText,
  stages: listOf(
    hasFields({
      stageIndex: isCount,
      device: isDevice,
      provider: isProvider,
      firstLayer: isCount,
      endLayer: isCount,
      hasEmbedding: isBoolean,
      hasHead: isBoolean,
      weightBytes: isAmount,
      kvBytes: isAmount,
      activationBytes: isAmount,
    }),
    10_000,
  ),
});

const isProfile = hasFields({
  schema: isOneOf(profileSchema),
  startedAtMs: isNumber,
  environment: mapOf(isText),
  model: optional(isModel),
  telemetry: listOf(hasFields({ timeMs: isNumber, devices: listOf(isReading, 1000) }), mostSamples),
  engineMemory: listOf(hasFields({ timeMs: isNumber, devices: listOf(isMemoryUse, 1000) }), mostSamples),
  generations: listOf(isGeneration, 10_000),
  placement: optional(isPlacement),
  operators: listOf(isOperatorProfile, 1000),
  bandwidth: listOf(hasFields({ device: isDevice, bytesPerSecond: isAmount }), 1000),
  forecast: optional(isForecast),
  cost: optional(hasFields({ plainTpotMs: optional(isAmount), profiledTpotMs: optional(isAmount), plainSpreadPercent: optional(isAmount), telemetryCorePercent: optional(isAmount) })),
});
