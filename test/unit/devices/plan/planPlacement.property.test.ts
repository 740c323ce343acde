import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeviceBudget, DeviceMapRequest, MemoryNeed, ModelSizes, PlacementPlan } from '../../../../src/common/placement';
import { isGlmError } from '../../../../src/common/errors';
import { planPlacement } from '../../../../src/devices/plan/planPlacement';
import { device, int4 } from './planBuilders';

const model: fc.Arbitrary<ModelSizes> = fc
  .record({
    layerBytes: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 9 }),
    embeddingBytes: fc.integer({ min: 0, max: 60 }),
    headBytes: fc.integer({ min: 0, max: 60 }),
    shareHead: fc.boolean(),
    kvBytesPerTokenPerLayer: fc.integer({ min: 1, max: 3 }),
    activationBytesPerToken: fc.integer({ min: 0, max: 4 }),
    logitsBytes: fc.integer({ min: 0, max: 10 }),
  })
  .map(({ shareHead, ...rest }) => ({ ...rest, numLayers: rest.layerBytes.length, sharedHeadBytes: shareHead ? Math.min(rest.embeddingBytes, rest.headBytes) : 0 }));

const gpus: fc.Arbitrary<readonly DeviceBudget[]> = fc.array(
  fc.record({ freeBytes: fc.integer({ min: 0, max: 250 }), bandwidthBytesPerSecond: fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined }) }),
  { maxLength: 3 },
).map((list) => list.map(({ freeBytes, bandwidthBytesPerSecond }, index) => device(`cuda:${index}`, freeBytes, { bandwidthBytesPerSecond })));

const machine = fc
  .tuple(gpus, fc.option(fc.integer({ min: 0, max: 300 }), { nil: undefined }))
  .filter(([list, cpu]) => list.length > 0 || cpu !== undefined)
  .map(([list, cpu]) => (cpu === undefined ? list : [...list, device('cpu', cpu)]));

const memoryNeed: fc.Arbitrary<MemoryNeed> = fc.record({
  contextTokens: fc.integer({ min: 1, max: 12 }),
  maxBatch: fc.integer({ min: 1, max: 3 }),
  prefillChunkTokens: fc.integer({ min: 1, max: 8 }),
  headroomBytes: fc.integer({ min: 0, max: 20 }),
});

const request: fc.Arbitrary<DeviceMapRequest> = fc.constantFrom('auto', 'balanced', 'sequential', 'single').map((kind) => ({ kind }) as DeviceMapRequest);
const stageCount = fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined });

function tryPlan(sizes: ModelSizes, devices: readonly DeviceBudget[], need: MemoryNeed, asked: DeviceMapRequest, numStages?: number): PlacementPlan | undefined {
  try {
    return planPlacement(sizes, devices, need, asked, int4, { numStages: numStages === undefined ? undefined : Math.min(numStages, sizes.numLayers) });
  } catch (error) {
    if (isGlmError(error) && error.code === 'model-does-not-fit') {
      return undefined;
    }
    throw error;
  }
}

/** The bytes of a run of layers by the definition, written anew. */
function bytesOf(sizes: ModelSizes, need: MemoryNeed, first: number, end: number): number {
  let bytes = sizes.activationBytesPerToken * Math.max(need.maxBatch, Math.min(need.contextTokens, need.prefillChunkTokens));
  for (let layer = first; layer < end; layer += 1) {
    bytes += (sizes.layerBytes[layer] as number) + sizes.kvBytesPerTokenPerLayer * need.contextTokens * need.maxBatch;
  }
  bytes += first === 0 ? sizes.embeddingBytes : 0;
  bytes += end === sizes.numLayers ? sizes.headBytes + sizes.logitsBytes * need.maxBatch : 0;
  return bytes - (first === 0 && end === sizes.numLayers ? (sizes.sharedHeadBytes ?? 0) : 0);
}

/** Tries every contiguous cut over devices in this order, one stage each. */
function someCutFits(sizes: ModelSizes, order: readonly DeviceBudget[], need: MemoryNeed, first = 0): boolean {
  if (first === sizes.numLayers) {
    return true;
  }
  const [head, ...tail] = order;
  if (head === undefined) {
    return false;
  }
  for (let end = first; end <= sizes.numLayers; end += 1) {
    const isFree = end === first || bytesOf(sizes, need, first, end) + need.headroomBytes <= head.freeBytes;
    if (isFree && someCutFits(sizes, tail, need, end)) {
      return true;
    }
  }
  return false;
}

describe('planPlacement, as laws', () => {
  it('places each layer once and in order, and marks the two ends', () => {
    fc.assert(
      fc.property(model, machine, memoryNeed, request, stageCount, (sizes, devices, need, asked, numStages) => {
        const plan = tryPlan(sizes, devices, need, asked, numStages);
        fc.pre(plan !== undefined);
        let next = 0;
        for (const [index, stage] of plan.stages.entries()) {
          expect(stage.stageIndex).toBe(index);
          expect(stage.firstLayer).toBe(next);
          expect(stage.endLayer).toBeGreaterThan(stage.firstLayer);
          expect([stage.hasEmbedding, stage.hasHead]).toEqual([stage.firstLayer === 0, stage.endLayer === sizes.numLayers]);
          next = stage.endLayer;
        }
        expect(next).toBe(sizes.numLayers);
        if (numStages !== undefined) {
          expect(plan.stages).toHaveLength(Math.min(numStages, sizes.numLayers));
        }
      }),
    );
  });

  it('never gives a device more than it has free', () => {
    fc.assert(
      fc.property(model, machine, memoryNeed, request, stageCount, (sizes, devices, need, asked, numStages) => {
        const plan = tryPlan(sizes, devices, need, asked, numStages);
        fc.pre(plan !== undefined);
        for (const one of devices) {
          const own = plan.stages.filter((stage) => stage.device === one.id);
          const used = own.reduce((sum, stage) => sum + bytesOf(sizes, need, stage.firstLayer, stage.endLayer), 0);
          expect(own.reduce((sum, stage) => sum + stage.weightBytes + stage.kvBytes + stage.activationBytes, 0)).toBe(used);
          expect(own.length === 0 || used + need.headroomBytes <= one.freeBytes).toBe(true);
        }
      }),
    );
  });

  it('finds a plan exactly when trying every cut finds one', () => {
    fc.assert(
      fc.property(model, machine, memoryNeed, fc.constantFrom('auto', 'balanced', 'sequential', 'single'), (sizes, devices, need, kind) => {
        const onGpus = devices.filter((one) => one.provider !== 'cpu');
        const cpu = devices.filter((one) => one.provider === 'cpu');
        const expected =
          kind === 'single'
            ? (onGpus.length > 0 ? onGpus : cpu).some((one) => someCutFits(sizes, [one], need))
            : someCutFits(sizes, [...onGpus, ...cpu], need) || (kind !== 'sequential' && someCutFits(sizes, [...cpu, ...onGpus], need));
        expect(tryPlan(sizes, devices, need, { kind } as DeviceMapRequest) !== undefined).toBe(expected);
      }),
      { numRuns: 300 },
    );
  });

  it('does not refuse with more memory what it accepted with less, and needs the CPU for no more layers', () => {
    const onCpu = (plan: PlacementPlan): number => plan.stages.filter((stage) => stage.provider === 'cpu').reduce((sum, stage) => sum + stage.endLayer - stage.firstLayer, 0);
    fc.assert(
      fc.property(model, machine, memoryNeed, request, stageCount, fc.array(fc.integer({ min: 0, max: 80 }), { minLength: 4, maxLength: 4 }), (sizes, devices, need, asked, numStages, more) => {
        const before = tryPlan(sizes, devices, need, asked, numStages);
        fc.pre(before !== undefined);
        const grown = devices.map((one, index) => ({ ...one, freeBytes: one.freeBytes + (one.provider === 'cpu' ? 0 : (more[index] as number)) }));
        const after = tryPlan(sizes, grown, need, asked, numStages);
        expect(after).toBeDefined();
        if (asked.kind === 'auto' && onCpu(before) === 0) {
          expect(onCpu(after as PlacementPlan)).toBe(0);
        }
      }),
    );
  });

  it('names a largest context that fits, and one more that does not', () => {
    fc.assert(
      fc.property(model, machine, memoryNeed, request, stageCount, (sizes, devices, need, asked, numStages) => {
        const withContext = (contextTokens: number) => tryPlan(sizes, devices, { ...need, contextTokens }, asked, numStages);
        let largest: number;
        try {
          const limits = { numStages: numStages === undefined ? undefined : Math.min(numStages, sizes.numLayers) };
          const plan = planPlacement(sizes, devices, need, asked, int4, limits);
          largest = plan.largestContextTokens;
          expect(largest).toBeGreaterThanOrEqual(need.contextTokens);
          expect(plan.largestContextAsPlacedTokens).toBeGreaterThanOrEqual(need.contextTokens);
          expect(plan.largestContextAsPlacedTokens).toBeLessThanOrEqual(largest);
        } catch (error) {
          largest = (error as { fields: { largestContextTokens: number } }).fields.largestContextTokens;
          expect(largest).toBeLessThan(need.contextTokens);
        }
        expect(largest === 0 || withContext(largest) !== undefined).toBe(true);
        expect(withContext(largest + 1)).toBeUndefined();
      }),
    );
  });

  it('reports a shortfall that is really missing: with it the model fits', () => {
    fc.assert(
      fc.property(model, machine, memoryNeed, request, (sizes, devices, need, asked) => {
        try {
          planPlacement(sizes, devices, need, asked, int4);
        } catch (error) {
          const { shortfalls, shortfallBytes } = error as { shortfalls: readonly { device: string; shortfallBytes: number }[]; shortfallBytes: number };
          expect(shortfallBytes).toBeGreaterThan(0);
          const grown = devices.map((one) => ({ ...one, freeBytes: one.freeBytes + (shortfalls.find((entry) => entry.device === one.id)?.shortfallBytes ?? 0) }));
          expect(tryPlan(sizes, grown, need, asked)).toBeDefined();
        }
      }),
    );
  });
});
