import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { deviceId } from '../../src/common/deviceId';
import { openStages } from '../../src/engine/worker/stages/openStages';
import { cpuPlan, fixtureFolder, openTiny } from '../unit/engine/worker/tinyCheckpoint';
import { wholeEngine } from './wholeEngine';

const folder = mkdtempSync(join(tmpdir(), 'glm-forecast-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const signal = new AbortController().signal;

describe('the memory forecast on WebGPU', () => {
  it('counts the activations of the longest chunk by the plan, where neither the runtime nor the driver counts', { timeout: 120_000 }, async () => {
    const engine = wholeEngine(folder);
    const model = await engine.handlers['model-load'](
      { source: fixtureFolder('tiny-glm4'), provider: 'webgpu', weights: 'f32', kvCache: 'auto', contextTokens: 48, maxBatch: 1, deviceMap: { kind: 'auto' }, allowSoftwareGpu: true, cpuThreads: 1, cacheFolder: folder, alignment: 'off' },
      signal,
    );
    // The provider's allocator counts pieces, not bytes: nothing is better than a 0.
    expect(model.memory.map(({ device, activationBytes }) => [device, activationBytes])).toEqual([['webgpu:0', undefined]]);
    const { forecast } = await engine.handlers['placement-map']({}, signal);
    const [stage] = model.plan.stages;
    const [device] = forecast.devices;
    expect(stage?.activationBytes).toBeGreaterThan(0);
    expect((device?.fixedBytes ?? 0) + (device?.bytesPerSequence ?? 0)).toBe(stage?.activationBytes);
    await engine.unload();
  });

  it('has run a chunk as long as the next may be, or says how much is missing', { timeout: 120_000 }, async () => {
    const opened = await openTiny(fixtureFolder('tiny-glm4'));
    const plan = cpuPlan(opened.config, 'f32', { contextTokens: 256 });
    const onGpu = { ...plan, stages: plan.stages.map((stage) => ({ ...stage, device: deviceId('webgpu'), provider: 'webgpu' as const })) };
    const runner = await openStages({ ...opened, plan: onGpu, maxBatch: 1, cacheFolder: folder, activations: 'f32', allowSoftwareGpu: true, prefillChunkTokens: 128, firstChunkTokens: 32, longWarmUpLimitMs: Infinity });
    try {
      // Chunks grow while loading as far as this machine is fast; 16 where its adapter computes longer ones wrongly.
      expect([16, 32, 64, 128]).toContain(runner.prefillChunkTokens);
      const { missingChunkFraction } = runner.stageFacts();
      expect(missingChunkFraction).toBeLessThanOrEqual(1 - runner.prefillChunkTokens / runner.mostChunkTokens);
    } finally {
      await runner.dispose();
    }
  });
});
