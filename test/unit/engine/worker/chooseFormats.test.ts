import { describe, expect, it } from 'vitest';
import { deviceId, deviceKind, type DeviceId } from '../../../../src/common/deviceId';
import type { DeviceBudget } from '../../../../src/common/placement';
import { chooseFormats } from '../../../../src/engine/worker/chooseFormats';

const gibibyte = 1024 ** 3;
const device = (id: DeviceId, freeBytes = 80 * gibibyte): DeviceBudget => ({ id, name: id, provider: deviceKind(id), freeBytes });
const cpu = device(deviceId('cpu'));
const gpu = device(deviceId('cuda', 0));
const other = device(deviceId('webgpu', 0));
const auto = { provider: 'auto', weights: 'auto', kvCache: 'auto', deviceMap: { kind: 'auto' } } as const;
/** A model of `count` parameters. */
const parameters = (count: number) => (_provider: string, weights: string) => count * { f32: 4, bf16: 2, f16: 2, int8: 1, int4: 0.5 }[weights as 'f32'];
const large = parameters(9e9);

describe('chooseFormats', () => {
  it('prefers CUDA to WebGPU to the CPU', () => {
    expect(chooseFormats(auto, [gpu, other, cpu], large)).toEqual({ provider: 'cuda', weights: 'bf16', kvCache: 'bf16' });
    expect(chooseFormats(auto, [other, cpu], large)).toEqual({ provider: 'webgpu', weights: 'int4', kvCache: 'f16' });
    expect(chooseFormats(auto, [cpu], large)).toEqual({ provider: 'cpu', weights: 'int4', kvCache: 'f32' });
  });

  it('lets a named device, a map or an exclusion decide', () => {
    const providerOf = (changes: object): string => chooseFormats({ ...auto, ...changes }, [gpu, other, cpu], large).provider;
    expect(providerOf({ deviceMap: { kind: 'single', device: cpu.id } })).toBe('cpu');
    expect(providerOf({ deviceMap: { kind: 'map', map: { model: 'webgpu:0' } } })).toBe('webgpu');
    expect(providerOf({ deviceMap: { kind: 'map', map: { 'model.layers.0': 0, 'model.layers.1': 'cpu' } } })).toBe('cuda');
    expect(providerOf({ excludeDevices: [gpu.id] })).toBe('webgpu');
    expect(providerOf({ includeDevices: [cpu.id] })).toBe('cpu');
  });

  it('takes as many bits as the GPUs have room for', () => {
    const weightsOn = (...freeGibibytes: readonly number[]): string => chooseFormats(auto, freeGibibytes.map((free, index) => device(deviceId('cuda', index), free * gibibyte)), large).weights;
    expect(weightsOn(24)).toBe('bf16');
    expect(weightsOn(12, 12)).toBe('bf16');
    expect(weightsOn(16)).toBe('int8');
    expect(weightsOn(8)).toBe('int4');
  });

  it('counts only the room that limits, one device or a map leave', () => {
    const gpus = [device(deviceId('cuda', 0), 24 * gibibyte), device(deviceId('cuda', 1), 12 * gibibyte), cpu];
    const weightsFor = (changes: object): string => chooseFormats({ ...auto, ...changes }, gpus, large).weights;
    expect(weightsFor({})).toBe('bf16');
    expect(weightsFor({ maxMemoryBytes: { 0: 6 * gibibyte, 'cuda:1': 6 * gibibyte } })).toBe('int8');
    expect(weightsFor({ maxMemoryBytes: { 0: 3 * gibibyte, 'cuda:0': 90 * gibibyte, 1: 0 } })).toBe('int4');
    expect(weightsFor({ deviceMap: { kind: 'single', device: 'cuda:1' } })).toBe('int8');
    expect(weightsFor({ deviceMap: { kind: 'single' }, excludeDevices: ['cuda:0'] })).toBe('int8');
    expect(weightsFor({ deviceMap: { kind: 'map', map: { '': 1 } } })).toBe('int8');
    expect(weightsFor({ deviceMap: { kind: 'map', map: { '': 'cuda:0' } } })).toBe('bf16');
  });

  it('does not quantise a small model', () => {
    expect(chooseFormats(auto, [cpu], parameters(8e6)).weights).toBe('f32');
    expect(chooseFormats(auto, [other, cpu], parameters(8e6)).weights).toBe('f16');
  });

  it('says which formats a provider has when asked for another', () => {
    expect(() => chooseFormats({ ...auto, provider: 'cpu', weights: 'bf16' }, [cpu], large)).toThrow(/Choose f32, int8, int4/);
    expect(() => chooseFormats({ ...auto, provider: 'cpu', kvCache: 'bf16' }, [cpu], large)).toThrow(expect.objectContaining({ code: 'kv-unsupported', message: expect.stringContaining('int8') as string }));
  });

  it('holds keys and values as int8 where that was asked for and the provider can', () => {
    expect(chooseFormats({ ...auto, kvCache: 'int8' }, [gpu, cpu], large)).toMatchObject({ provider: 'cuda', kvCache: 'int8' });
    expect(chooseFormats({ ...auto, kvCache: 'int8' }, [cpu], large)).toMatchObject({ provider: 'cpu', kvCache: 'int8' });
    expect(() => chooseFormats({ ...auto, provider: 'webgpu', kvCache: 'int8' }, [other, cpu], large)).toThrow(expect.objectContaining({ code: 'kv-unsupported', message: expect.stringContaining('webgpu') as string }));
  });
});
