import { describe, expect, it } from 'vitest';
import { deviceId } from '../../../../src/common/deviceId';
import type { DeviceBudget, DeviceMapRequest, PlacementPlan } from '../../../../src/common/placement';
import { planPlacement } from '../../../../src/devices/plan/planPlacement';
import type { ModelDoesNotFitError } from '../../../../src/devices/plan/placementErrors';
import { device, gib, glm9b, int4, need, sizes } from './planBuilders';

const auto: DeviceMapRequest = { kind: 'auto' };
const show = (plan: PlacementPlan): string => plan.stages.map((stage) => `${stage.device}:${stage.firstLayer}-${stage.endLayer}`).join(' ');
const ten = sizes({ numLayers: 10, embeddingBytes: 50, headBytes: 70 });
const plan = (devices: readonly DeviceBudget[], request: DeviceMapRequest, limits = {}, model = ten): PlacementPlan =>
  planPlacement(model, devices, need(), request, int4, limits);
const failure = (run: () => unknown): ModelDoesNotFitError => {
  try {
    run();
  } catch (error) {
    return error as ModelDoesNotFitError;
  }
  throw new Error('expected a refusal');
};

describe('planPlacement auto', () => {
  it('takes one GPU when the model fits there, the fastest of those', () => {
    const devices = [
      device('cuda:0', 2000, { bandwidthBytesPerSecond: 1e12 }),
      device('cuda:1', 1500, { bandwidthBytesPerSecond: 3e12 }),
      device('cuda:2', 1000, { bandwidthBytesPerSecond: 9e12 }),
      device('cpu', 9000),
    ];
    expect(show(plan(devices, auto))).toBe('cuda:1:0-10');
  });

  it('takes the emptiest of equal GPUs, the first of equally empty ones', () => {
    expect(show(plan([device('cuda:0', 1200), device('cuda:1', 1300)], auto))).toBe('cuda:1:0-10');
    expect(show(plan([device('cuda:0', 1200), device('cuda:1', 1200)], auto))).toBe('cuda:0:0-10');
  });

  it('takes the fewest GPUs that hold it together, in device order', () => {
    const devices = [device('cuda:0', 500), device('cuda:1', 900), device('cuda:2', 300), device('cuda:3', 800)];
    expect(show(plan(devices, auto))).toBe('cuda:1:0-5 cuda:3:5-10');
  });

  it('leaves the CPU as few layers as possible, on the side where it need not read the head, and warns', () => {
    const result = plan([device('cuda:0', 770), device('cpu', 9000)], auto);
    expect(show(result)).toBe('cpu:0-3 cuda:0:3-10');
    expect(result.warnings.map((warning) => warning.code)).toEqual(['stage-on-cpu']);
    expect(result.warnings[0]?.message).toContain('3 of 10 layers (layers 0-2, 300 B) run on the CPU, not on cuda:0');
  });

  it('says what would bring layers to a GPU: the map that put them on the CPU, and no format that they have', () => {
    const devices = [device('cuda:0', 2000), device('cpu', 9000)];
    const messageOf = (request: DeviceMapRequest, free = devices) => plan(free, request).warnings[0]?.message;
    expect(messageOf({ kind: 'map', map: { '': 0, 'model.layers.9': 'cpu' } })).toContain('(layer 9, 100 B) runs on the CPU, not on cuda:0. Every token waits for it. The device map says so; name a GPU there.');
    expect(messageOf(auto, [device('cuda:0', 770), device('cpu', 9000)])).toContain('Lower the context or free GPU memory.');
    expect(plan([device('cuda:0', 9000), device('cpu', 9000)], auto, { maxMemoryBytes: { 0: 770 } }).warnings[0]?.message).toContain('Lower the context or raise the memory limit.');
  });

  it('names a limit that is for no device, and takes the smaller of two for one', () => {
    const devices = [device('cuda:0', 2000), device('cpu', 9000)];
    const { warnings } = plan(devices, auto, { maxMemoryBytes: { 1: 10, cpu: 9000, 'webgpu:0': 10 } });
    expect(warnings.map((warning) => warning.message)).toEqual(['The memory limit for cuda:1 limits nothing: there is no such device. Available: cuda:0 and cpu.']);
    expect(failure(() => plan(devices, { kind: 'single' }, { maxMemoryBytes: { 0: 100, 'cuda:0': 5000 } })).code).toBe('model-does-not-fit');
  });

  it('runs on the CPU alone without a warning where there is no GPU', () => {
    const result = plan([device('cpu', 9000)], auto);
    expect(show(result)).toBe('cpu:0-10');
    expect(result.warnings).toEqual([]);
  });

  it('does not offload weights that the CPU cannot run, unless it gets sizes of its own', () => {
    const devices = [device('cuda:0', 770), device('cpu', 9000)];
    const bf16 = { weightFormat: 'bf16', kvFormat: 'bf16' } as const;
    expect(failure(() => planPlacement(ten, devices, need(), auto, bf16)).code).toBe('model-does-not-fit');
    const wider = sizes({ numLayers: 10, layerBytes: Array.from({ length: 10 }, () => 200), embeddingBytes: 100, headBytes: 140 });
    const mixed = planPlacement(ten, devices, need(), auto, { ...bf16, cpu: { sizes: wider, weightFormat: 'f32', kvFormat: 'f32' } });
    expect(mixed.stages.map(({ device: id, weightBytes, weightFormat }) => [id, weightBytes, weightFormat])).toEqual([
      ['cpu', 700, 'f32'],
      ['cuda:0', 770, undefined],
    ]);
  });
});

describe('planPlacement balanced and sequential', () => {
  it('balances by bytes where no bandwidth is known', () => {
    const even = sizes({ numLayers: 10 });
    expect(show(plan([device('cuda:0', 5000), device('cuda:1', 5000)], { kind: 'balanced' }, {}, even))).toBe('cuda:0:0-5 cuda:1:5-10');
  });

  it('gives a GPU of four times the bandwidth four times the layers', () => {
    const even = sizes({ numLayers: 10 });
    const devices = [device('cuda:0', 5000, { bandwidthBytesPerSecond: 4e12 }), device('cuda:1', 5000, { bandwidthBytesPerSecond: 1e12 })];
    expect(show(plan(devices, { kind: 'balanced' }, {}, even))).toBe('cuda:0:0-8 cuda:1:8-10');
  });

  it('gives a small GPU only what it holds and says so when that is nothing', () => {
    const result = plan([device('cuda:0', 5000), device('cuda:1', 250), device('cuda:2', 99)], { kind: 'balanced' });
    expect(show(result)).toBe('cuda:0:0-9 cuda:1:9-10');
    expect(result.warnings.map((warning) => [warning.code, warning.message.slice(0, 22)])).toEqual([['device-unused', 'cuda:2 gets no layers:']]);
  });

  it('fills devices one after the other when sequential, the CPU last', () => {
    expect(show(plan([device('cpu', 5000), device('cuda:0', 360), device('cuda:1', 400)], { kind: 'sequential' }))).toBe('cuda:0:0-3 cuda:1:3-7 cpu:7-10');
  });

  it('leaves a sequential device one layer short rather than failing over the head', () => {
    expect(show(plan([device('cuda:0', 1060), device('cuda:1', 170)], { kind: 'sequential' }))).toBe('cuda:0:0-9 cuda:1:9-10');
  });
});

describe('planPlacement single, limits and stages', () => {
  it('refuses a single device that is too small although another would do', () => {
    const error = failure(() => plan([device('cuda:0', 1000), device('cuda:1', 5000)], { kind: 'single', device: deviceId('cuda', 0) }));
    expect(error.code).toBe('model-does-not-fit');
    expect(error.shortfalls).toEqual([{ device: 'cuda:0', neededBytes: 1120, budgetBytes: 1000, shortfallBytes: 120 }]);
  });

  it('names an absent single device and what there is', () => {
    expect(() => plan([device('cuda:0', 5000), device('cpu', 1)], { kind: 'single', device: deviceId('cuda', 3) })).toThrow('cuda:3 is not available. Available: cuda:0 and cpu.');
  });

  it('advises what mends a wrong limit or a device that is not there, which is not the map', () => {
    expect(failure(() => plan([device('cuda:0', 5000)], auto, { maxMemoryBytes: { gpu: 1 } })).next).toMatchObject([{ terminal: 'Change --max-memory' }]);
    expect(failure(() => plan([device('cuda:0', 5000)], auto, { includeDevices: [deviceId('cuda', 3)] })).next).toMatchObject([{ terminal: 'Change --include or --exclude' }]);
  });

  it('honours memory limits under each spelling of a device', () => {
    const devices = [device('cuda:0', 5000), device('cuda:1', 4000)];
    expect(show(plan(devices, auto, { maxMemoryBytes: { '0': 500 } }))).toBe('cuda:1:0-10');
    expect(show(plan(devices, auto, { maxMemoryBytes: { 'cuda:0': 650, '1': 650 } }))).toBe('cuda:0:0-5 cuda:1:5-10');
  });

  it('honours included and excluded devices', () => {
    const devices = [device('cuda:0', 5000), device('cuda:1', 4000), device('cpu', 9000)];
    expect(show(plan(devices, auto, { excludeDevices: [deviceId('cuda', 0)] }))).toBe('cuda:1:0-10');
    expect(show(plan(devices, auto, { includeDevices: [deviceId('cpu')] }))).toBe('cpu:0-10');
    expect(() => plan(devices, auto, { includeDevices: [deviceId('cuda', 7)] })).toThrow('The included device cuda:7 is not available');
    expect(() => plan([device('cuda:0', 5000)], auto, { excludeDevices: [deviceId('cuda', 0)] })).toThrow('No device is left');
  });

  it('cuts one device into as many stages as asked for', () => {
    expect(show(plan([device('cpu', 5000)], auto, { numStages: 3 }))).toBe('cpu:0-4 cpu:4-7 cpu:7-10');
    expect(show(plan([device('cuda:0', 5000), device('cuda:1', 5000)], { kind: 'balanced' }, { numStages: 2 }))).toMatch(/^cuda:0:0-5 cuda:1:5-10$/);
    expect(() => plan([device('cpu', 5000)], auto, { numStages: 11 })).toThrow('between 1 and the model\'s 10 layers, got 11');
  });

  it('counts a tied head once where one stage holds both ends, twice where two do', () => {
    const tied = sizes({ numLayers: 4, embeddingBytes: 60, headBytes: 65, sharedHeadBytes: 60 });
    const weights = (numStages: number): number =>
      plan([device('cpu', 5000)], auto, { numStages }, tied).stages.reduce((sum, stage) => sum + stage.weightBytes, 0);
    expect(weights(1)).toBe(465);
    expect(weights(2)).toBe(525);
  });
});

describe('planPlacement on GLM-4-9B in bf16', () => {
  const bf16 = { weightFormat: 'bf16', kvFormat: 'bf16' } as const;
  const large = need({ contextTokens: 8192, prefillChunkTokens: 512, headroomBytes: gib });

  it('adds up to the checkpoint on one 80 GB card', () => {
    const result = planPlacement(glm9b, [device('cuda:0', 79 * gib)], large, auto, bf16, { maxContextTokens: 131072 });
    expect(result.stages).toHaveLength(1);
    expect(result.stages[0]?.weightBytes).toBeGreaterThan(18.7e9);
    expect(result.stages[0]?.weightBytes).toBeLessThan(18.9e9);
    expect(result.stages[0]?.kvBytes).toBe(1024 * 40 * 8192);
    expect(result.largestContextTokens).toBe(131072);
  });

  it('refuses 12 GiB with the shortfall and next steps in the text', () => {
    const error = failure(() => planPlacement(glm9b, [device('cuda:0', 12 * gib)], large, { kind: 'single' }, bf16));
    expect(error.largestContextTokens).toBe(0);
    expect(error.message).toMatch(/^At a context of 8,192 tokens the model needs 6\.9 GiB more than cuda:0 has free \(its part needs 18\.9 GiB, 12\.0 GiB can be used\)\. The weights and the runtime's own 1\.0 GiB on a device are too big by themselves: use int4 or int8 weights/);
  });

  it('advises no narrower weights where the runtime alone needs more than there is', () => {
    const error = failure(() => planPlacement(glm9b, [device('cuda:0', gib / 2)], large, { kind: 'single' }, bf16));
    expect(error.message).toContain('The runtime alone takes 1.0 GiB on a device: raise the limit, add a device, or free memory.');
    expect(error.next.map((step) => step.terminal)).toEqual(['See what is free with glm devices']);
  });

  it('names the largest context when only the context is too long', () => {
    const error = failure(() => planPlacement(glm9b, [device('cuda:0', 20 * gib)], { ...large, contextTokens: 100_000 }, auto, bf16));
    expect(error.largestContextTokens).toBeGreaterThan(30_000);
    expect(error.message).toContain(`Lower the context to ${error.largestContextTokens.toLocaleString('en-US')} tokens`);
    expect(planPlacement(glm9b, [device('cuda:0', 20 * gib)], { ...large, contextTokens: error.largestContextTokens }, auto, bf16).stages).toHaveLength(1);
  });
});
