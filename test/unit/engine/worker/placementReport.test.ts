import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { placementReport, type PlacementSource } from '../../../../src/engine/worker/profile/placementReport';
import { forecastMemory } from '../../../../src/profiling/forecastMemory';
import { fakeLoadedModel } from '../../../fakes/fakeEngine';
import { fakeOperatorProfiles, fakePlacement } from '../../../fakes/fakeProfile';

const gpu = deviceId('cuda', 0);
const budget = (freeBytes: number) => ({ id: gpu, name: 'GPU', provider: 'cuda' as const, freeBytes, totalBytes: 100_000 });
const source = (changes: Partial<PlacementSource> = {}): PlacementSource => ({
  loaded: { ...fakeLoadedModel, contextTokens: 100, maxBatch: 2 },
  facts: undefined,
  memory: [{ device: gpu, weightBytes: 20_000, kvBytes: 4000, activationBytes: 300, stagingBytes: 0 }],
  operators: [],
  free: { beforeLoad: [budget(90_000)], afterLoad: [budget(60_000)], now: [budget(55_000)] },
  ...changes,
});

describe('placementReport', () => {
  it('counts as fixed what the driver saw taken beyond weights, keys and values', () => {
    const { forecast } = placementReport(source());
    expect(forecast.devices).toEqual([
      { device: 'cuda:0', name: 'GPU', weightBytes: 20_000, kvBytesPerPosition: 20, kvStepPositions: 1, fixedBytes: 6000, bytesPerSequence: 0, totalBytes: 100_000, availableBytes: 85_000 },
    ]);
    // The forecast for what is loaded is what was taken.
    expect(forecastMemory(forecast, { contextTokens: 100, batch: 2 }).devices[0]).toMatchObject({ predictedBytes: 30_000, fits: true });
  });

  it('takes what the runtime reports where the driver was not asked, or counts what others freed meanwhile', () => {
    expect(placementReport(source({ free: undefined })).forecast.devices[0]).toMatchObject({ fixedBytes: 300 });
    expect(placementReport(source({ free: undefined })).forecast.devices[0]).not.toHaveProperty('availableBytes');
    expect(placementReport(source({ free: { beforeLoad: [budget(70_000)], afterLoad: [budget(60_000)], now: [budget(60_000)] } })).forecast.devices[0]?.fixedBytes).toBe(300);
  });

  it('counts main memory by what this process holds, since untouched pages are free and mapped files are cache', () => {
    const cpu = (freeBytes: number) => ({ id: cpuDevice, name: 'CPU', provider: 'cpu' as const, freeBytes });
    const { forecast } = placementReport(source({ memory: [{ device: cpuDevice, weightBytes: 1000, kvBytes: 400, activationBytes: 30, stagingBytes: 0 }], free: { beforeLoad: [cpu(9000)], afterLoad: [cpu(8000)], now: [cpu(7000)], ownHostBytes: 500 } }));
    expect(forecast.devices[0]).toMatchObject({ fixedBytes: 30, availableBytes: 7500 });
  });

  it('adds what the longest chunk will take beyond the longest that was run, as the plan reckons it', () => {
    const facts = { parts: [], copies: [], nodes: [], bytesPerSequence: new Map(), missingChunkFraction: 0.75 };
    const [stage] = fakeLoadedModel.plan.stages;
    const plan = { ...fakeLoadedModel.plan, stages: [{ ...stage, device: gpu, activationBytes: 1000 } as NonNullable<typeof stage>] };
    const loaded = { ...fakeLoadedModel, plan, contextTokens: 100, maxBatch: 2 };
    expect(placementReport(source({ loaded, facts })).forecast.devices[0]?.fixedBytes).toBe(6750);
    // Nobody counts, and the runtime has no figures either (WebGPU on some drivers): the plan has the longest chunk already.
    const memory = [{ device: gpu, weightBytes: 20_000, kvBytes: 4000, stagingBytes: 0 }];
    expect(placementReport(source({ loaded, facts, memory, free: undefined })).forecast.devices[0]?.fixedBytes).toBe(1000);
    expect(placementReport(source({ loaded, facts, memory: source().memory, free: undefined })).forecast.devices[0]?.fixedBytes).toBe(1050);
  });

  it('brings the times of profiled steps to their parts', () => {
    const facts = { parts: fakePlacement.parts, copies: [], nodes: fakePlacement.nodes.slice(0, 2), bytesPerSequence: new Map(), missingChunkFraction: 0 };
    expect(placementReport(source({ facts })).placement).toEqual({ parts: fakePlacement.parts, copies: [], nodes: facts.nodes });
    const { placement } = placementReport(source({ facts, operators: fakeOperatorProfiles(16, 3) }));
    expect(placement.parts.map(({ decodeMs, clock }) => [Number(decodeMs?.toFixed(6)), clock])).toEqual([
      [0.001, 'host'],
      [0.064, 'host'],
      [0.064, 'host'],
      [0.06, 'host'],
    ]);
    expect(placement.nodes).toEqual(fakePlacement.nodes);
  });
});
