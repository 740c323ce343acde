import { afterAll, describe, expect, it } from 'vitest';
import { deviceId } from '../../src/common/deviceId';
import { openStages } from '../../src/engine/worker/stages/openStages';
import { addsUpTo, nodesMs } from '../../src/profiling/collectSteps';
import { preferredVulkanAdapter } from '../../src/ort/vulkanAdapters';
import { cpuPlan, fixtureFolder, openTiny, temporaryFolder } from '../unit/engine/worker/tinyCheckpoint';

const cache = temporaryFolder();
afterAll(() => cache.remove());

describe.skipIf(preferredVulkanAdapter() === undefined)('operators on WebGPU', () => {
  it.each([1, 2])('are timed with %i stages, although steps are captured: by the adapter where its times add up to the step, else by the host', async (numStages) => {
    const opened = await openTiny(fixtureFolder('tiny-glm4'));
    const plan = cpuPlan(opened.config, 'int4', { numStages });
    const stages = plan.stages.map((stage) => ({ ...stage, device: deviceId('webgpu'), provider: 'webgpu' as const }));
    const runner = await openStages({ ...opened, plan: { ...plan, stages }, maxBatch: 1, cacheFolder: cache.path, activations: 'f32', allowSoftwareGpu: true });
    try {
      const profiles = await runner.profileOperators(0, { promptTokens: 8, decodeSteps: 2 }, new AbortController().signal);
      expect(profiles.map(({ kind }) => kind)).toEqual(['prefill', 'decode']);
      for (const profile of profiles) {
        const { nodes, durationsUs, steps, clock } = profile;
        expect(clock).toBe(clock === 'device' && addsUpTo(profile, profile.plainStepMs ?? 0) ? 'device' : 'host');
        // The adapter has timestamps, so what they gave is told either way.
        expect((clock === 'device' ? nodesMs(profile) : profile.deviceNodesMs) ?? 0).toBeGreaterThan(0);
        expect(nodes.filter(({ provider }) => provider === 'WebGpuExecutionProvider').length).toBeGreaterThan(nodes.length / 2);
        expect(new Set(nodes.flatMap(({ layer }) => (layer === undefined ? [] : [layer]))).size).toBe(opened.config.numLayers);
        expect(durationsUs).toHaveLength(steps.length * nodes.length);
      }
      // The next captured step is none the worse for it.
      runner.rewindTo(0, 0);
      const prompt = Int32Array.of(1, 2, 3);
      await runner.prefill(0, prompt, true);
      const [logits] = await runner.decode([{ slot: 0, tokenId: 4 }]);
      const captured = (await logits!.full()).slice();
      runner.rewindTo(0, 0);
      const fresh = (await runner.prefillAllLogits(0, Int32Array.of(1, 2, 3, 4))).slice(-captured.length);
      expect(Math.max(...captured.map((value, index) => Math.abs(value - (fresh[index] ?? NaN))))).toBeLessThan(1e-3);
    } finally {
      await runner.dispose();
    }
  });
});
