import { afterAll, describe, expect, it } from 'vitest';
import { deviceId } from '../../src/common/deviceId';
import { openStages } from '../../src/engine/worker/stages/openStages';
import { preferredVulkanAdapter } from '../../src/ort/vulkanAdapters';
import { cpuPlan, fixtureFolder, openTiny, temporaryFolder } from '../unit/engine/worker/tinyCheckpoint';

const cache = temporaryFolder();
afterAll(() => cache.remove());

describe.skipIf(preferredVulkanAdapter() === undefined)('token ids and positions on WebGPU', () => {
  it('are written by an operator instead of copies, with the same answers, also after going back to another position', async () => {
    const opened = await openTiny(fixtureFolder('tiny-glm4'));
    const plan = cpuPlan(opened.config, 'int4', { numStages: 1 });
    const stages = plan.stages.map((stage) => ({ ...stage, device: deviceId('webgpu'), provider: 'webgpu' as const }));
    const answers: (readonly number[])[][] = [];
    for (const writesInts of [false, true]) {
      const warnings: string[] = [];
      const runner = await openStages({ ...opened, plan: { ...plan, stages }, maxBatch: 2, cacheFolder: cache.path, activations: 'f32', allowSoftwareGpu: true, writesInts, log: { log: (level, _source, message) => void (level === 'warn' && /ids/.test(message) && warnings.push(message)) } });
      const rows: (readonly number[])[] = [];
      try {
        for (const slot of [0, 1]) {
          await runner.prefill(slot, Int32Array.of(5, 6, 7), true);
          for (const tokenId of [8, 9, 10]) {
            rows.push([...(await (await runner.decode([{ slot, tokenId }]))[0]!.full())]);
          }
          runner.rewindTo(slot, 4);
          rows.push([...(await (await runner.decode([{ slot, tokenId: 9 }]))[0]!.full())]);
        }
      } finally {
        await runner.dispose();
      }
      expect(warnings).toEqual([]);
      answers.push(rows);
    }
    const [copied, written] = answers;
    expect(Math.max(...copied!.flatMap((row, index) => row.map((value, at) => Math.abs(value - (written![index]?.[at] ?? NaN)))))).toBe(0);
    // The same token at the same position is the same row.
    expect(written![3]).toEqual(written![1]);
  });
});
