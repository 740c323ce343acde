/** From what a runner tells of its stages to the placement map and to what a memory forecast computes from. */

import type { DeviceBudget, DeviceMemoryUse } from '../../../common/placement';
import type { ForecastBasis, OperatorProfile, PlacedPart, PlacementMap } from '../../../common/profile';
import type { LoadedModel, PlacementReport } from '../../../common/protocol/engine';
import { partTimes } from '../../../profiling/partTimes';
import type { StageFacts } from './stageFacts';

/** What the driver or the system counted as free. */
export interface FreeMemory {
  readonly beforeLoad: readonly DeviceBudget[];
  readonly afterLoad: readonly DeviceBudget[];
  readonly now: readonly DeviceBudget[];
  /** What this process has taken of main memory since before it loaded, files that it maps not counted; undefined where the system does not tell. */
  readonly ownHostBytes?: number;
}

export interface PlacementSource {
  readonly loaded: LoadedModel;
  readonly facts: StageFacts | undefined;
  readonly memory: readonly DeviceMemoryUse[];
  readonly operators: readonly OperatorProfile[];
  readonly free: FreeMemory | undefined;
}

export function placementReport(source: PlacementSource): PlacementReport {
  return { placement: placementMap(source), forecast: forecastBasis(source) };
}

function placementMap({ facts, operators }: PlacementSource): PlacementMap {
  const times = partTimes(operators);
  const parts = (facts?.parts ?? []).map((part): PlacedPart => ({ ...part, ...times(part) }));
  const known = facts?.nodes ?? [];
  // What was profiled is what really ran, after the runtime's own fusions.
  const profiled = operators.find(({ kind }) => kind === 'decode') ?? operators[0];
  const nodes = (profiled?.nodes ?? known).map(({ name, opType, provider, stageIndex, device, layer }) => ({ name, opType, provider, stageIndex, device, ...(layer === undefined ? {} : { layer }) }));
  return { parts, copies: facts?.copies ?? [], nodes };
}

/**
 * Weights, keys and values are our own allocations, so they are exact. What else the process took on a GPU (context, kernels, the runtime's arena) is the rest of
 * what the driver counted while the model was loaded; where nobody counted, it is what the runtime reports of its arena, or what the plan reckoned where it
 * reports nothing (WebGPU). What the longest chunk of a prompt will take beyond the longest that was run is the plan's reckoning too.
 */
function forecastBasis({ loaded, facts, memory, free }: PlacementSource): ForecastBasis {
  const { plan, contextTokens, maxBatch } = loaded;
  const devices = memory.map((use): ForecastBasis['devices'][number] => {
    const [before, after, now] = [free?.beforeLoad, free?.afterLoad, free?.now].map((budgets) => budgets?.find(({ id }) => id === use.device));
    const takenBytes = before === undefined || after === undefined ? undefined : Math.max(0, before.freeBytes - after.freeBytes);
    const ownBytes = use.weightBytes + use.kvBytes;
    const bytesPerSequence = facts?.bytesPerSequence.get(use.device) ?? 0;
    const plannedBytes = plan.stages.reduce((sum, stage) => sum + (stage.device === use.device ? stage.activationBytes : 0), 0);
    const reportedBytes = (use.activationBytes ?? plannedBytes) + use.stagingBytes;
    // The CPU's pages count when they are touched, and mapped files not at all: what was taken says nothing about what was allocated.
    const isCounted = before?.provider !== 'cpu' && takenBytes !== undefined && takenBytes >= ownBytes;
    const restBytes = isCounted ? takenBytes - ownBytes : reportedBytes;
    const missingBytes = isCounted || use.activationBytes !== undefined ? Math.ceil((facts?.missingChunkFraction ?? 0) * plannedBytes) : 0;
    return {
      device: use.device,
      name: now?.name ?? use.device,
      weightBytes: use.weightBytes,
      kvBytesPerPosition: use.kvBytes / (contextTokens * maxBatch),
      kvStepPositions: 1,
      fixedBytes: Math.max(0, restBytes - bytesPerSequence * maxBatch) + missingBytes,
      bytesPerSequence,
      ...(now?.totalBytes === undefined ? {} : { totalBytes: now.totalBytes }),
      ...(now === undefined ? {} : { availableBytes: now.freeBytes + ((now.provider === 'cpu' ? free?.ownHostBytes : undefined) ?? takenBytes ?? ownBytes) }),
    };
  });
  return {
    devices,
    maxContextTokens: loaded.description.maxContextTokens,
    contextTokens: plan.contextTokens,
    maxBatch,
  };
}
