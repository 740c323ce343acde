import { describe, expect, it } from 'vitest';
import { deviceId } from '../../../../../src/common/deviceId';
import type { PlacementPlan } from '../../../../../src/common/placement';
import { planMisplacement } from '../../../../../src/engine/worker/stages/misplacement';
import { cpuPlan, fixtureFolder, openTiny, type OpenedTiny } from '../tinyCheckpoint';

const gpu = deviceId('webgpu', 0);
const contextTokens = 48;

/** The stages named in `onGpu` on WebGPU, the others on the CPU. */
function plan({ config }: OpenedTiny, onGpu: readonly boolean[]): PlacementPlan {
  const base = cpuPlan(config, 'f32', { contextTokens, numStages: onGpu.length });
  return { ...base, stages: base.stages.map((stage, index) => (onGpu[index] === true ? { ...stage, device: gpu, provider: 'webgpu' } : stage)) };
}

describe('planMisplacement', () => {
  it.each([
    ['input_ids', [false, false], 'no second device'],
    ['input_ids', [false, true], 'first stage is on cpu'],
    ['logits', [true, false], 'last stage is on cpu'],
    ['hidden', [true], 'Cut the model into two stages'],
    ['hidden', [true, false], 'no stage on a GPU takes hidden states'],
  ] as const)('refuses %s on GPU stages %j', async (kind, onGpu, reason) => {
    const opened = await openTiny(fixtureFolder('tiny-glm4'));
    expect(() => planMisplacement([kind], 'warn', plan(opened, onGpu))).toThrow(reason);
  });

  it('keeps everything in its place under autoFix and says what was wanted', async () => {
    const opened = await openTiny(fixtureFolder('tiny-glm4'));
    expect(planMisplacement(['kv'], 'autoFix', plan(opened, [true]))).toEqual({ wanted: new Set(['kv']), isInForce: false });
  });
});
