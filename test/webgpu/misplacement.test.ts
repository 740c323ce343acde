import { afterAll, describe, expect, it } from 'vitest';
import { findMisalignments } from '../../src/alignment/findMisalignments';
import type { AlignmentMessage, AlignmentMode } from '../../src/common/alignment';
import { formatBytes } from '../../src/common/byteFormat';
import { deviceId } from '../../src/common/deviceId';
import type { PlacementPlan } from '../../src/common/placement';
import { planMisplacement, type Misplaceable } from '../../src/engine/worker/stages/misplacement';
import { openStages, type StageRunner } from '../../src/engine/worker/stages/openStages';
import { cpuPlan, fixtureFolder, openTiny, temporaryFolder, type OpenedTiny } from '../unit/engine/worker/tinyCheckpoint';

const gpu = deviceId('webgpu', 0);
const contextTokens = 48;

/** The stages named in `onGpu` on WebGPU, the others on the CPU. */
function plan({ config }: OpenedTiny, onGpu: readonly boolean[]): PlacementPlan {
  const base = cpuPlan(config, 'f32', { contextTokens, numStages: onGpu.length });
  const kvBytes = (layers: number): number => layers * 2 * config.numKvHeads * contextTokens * config.headDim * 4;
  return { ...base, stages: base.stages.map((stage, index) => ({ ...stage, kvBytes: kvBytes(stage.endLayer - stage.firstLayer), ...(onGpu[index] === true ? { device: gpu, provider: 'webgpu' as const } : {}) })) };
}

const cache = temporaryFolder();
afterAll(() => cache.remove());

interface Outcome {
  readonly messages: readonly AlignmentMessage[];
  readonly ids: readonly number[];
}

async function run(onGpu: readonly boolean[], misplace: readonly Misplaceable[], mode: AlignmentMode = 'warn'): Promise<Outcome> {
  const opened = await openTiny(fixtureFolder('tiny-glm4'));
  const placed = plan(opened, onGpu);
  const runner = await openStages({ ...opened, plan: placed, maxBatch: 1, cacheFolder: cache.path, cpuThreads: 1, prefillChunkTokens: 16, activations: 'f32', allowSoftwareGpu: true, misplacement: planMisplacement(misplace.length === 0 ? undefined : misplace, mode, placed) });
  try {
    const ids = await greedy(runner);
    const messages = findMisalignments({ modelName: 'tiny', mode, plan: placed, assignments: runner.assignments(), tensors: runner.boundTensors(), memory: runner.memoryUse(), devices: [] });
    return { messages, ids };
  } finally {
    await runner.dispose();
  }
}

async function greedy(runner: StageRunner): Promise<number[]> {
  const argmax = (row: Float32Array): number => row.reduce((best, value, index) => (value > (row[best] as number) ? index : best), 0);
  const logits = await runner.prefill(0, Int32Array.of(5, 9, 40, 77, 3), true);
  const ids = [argmax((await logits?.full()) as Float32Array)];
  while (ids.length < 8) {
    const [row] = await runner.decode([{ slot: 0, tokenId: ids[ids.length - 1] as number }]);
    ids.push(argmax((await row?.full()) as Float32Array));
  }
  return ids;
}

const relevant = (messages: readonly AlignmentMessage[]) => messages.map(({ kind, tensor, tensorDevice, consumerDevice, bytesPerToken, state }) => ({ kind, tensor, tensorDevice, consumerDevice, bytesPerToken, state }));

describe('tensors on the wrong device of two real ones', () => {
  it('reports nothing when none is misplaced, on one stage, two, or beside a CPU stage', { timeout: 120_000 }, async () => {
    const onCpu = await run([false], []);
    for (const onGpu of [[true], [true, true], [false, true]]) {
      const outcome = await run(onGpu, []);
      expect(relevant(outcome.messages.filter((message) => message.kind !== 'stage-on-cpu')), JSON.stringify(onGpu)).toEqual([]);
      expect(outcome.ids).toEqual(onCpu.ids);
    }
  });

  it('reports exactly the misplaced tensor with its size, and the answer stays the same', { timeout: 240_000 }, async () => {
    const { config } = await openTiny(fixtureFolder('tiny-glm4'));
    const expected = (await run([false], [])).ids;
    const kvBytes = (layers: number): number => layers * 2 * config.numKvHeads * contextTokens * config.headDim * 4;
    const half = Math.floor(config.numLayers / 2);
    const cases = [
      { kind: 'input_ids', onGpu: [true], found: [{ kind: 'host-bound-inputs', tensor: 'input_ids', tensorDevice: 'cpu', consumerDevice: gpu, bytesPerToken: 4, state: 'found' }] },
      { kind: 'positions', onGpu: [true], found: [{ kind: 'host-bound-inputs', tensor: 'seqlens_k', tensorDevice: 'cpu', consumerDevice: gpu, bytesPerToken: 4, state: 'found' }] },
      { kind: 'logits', onGpu: [true], found: [{ kind: 'host-bound-inputs', tensor: 'logits', tensorDevice: gpu, consumerDevice: 'cpu', bytesPerToken: config.vocabSize * 4, state: 'found' }] },
      { kind: 'hidden', onGpu: [true, true], found: [{ kind: 'hidden-state-through-host', tensor: 'the hidden state into stage 2', tensorDevice: 'cpu', consumerDevice: gpu, bytesPerToken: config.hiddenSize * 4, state: 'found' }] },
      { kind: 'kv', onGpu: [true], found: [{ kind: 'kv-cache-on-cpu', tensor: 'kv cache', tensorDevice: 'cpu', consumerDevice: gpu, bytesPerToken: kvBytes(config.numLayers), state: 'found' }] },
      {
        kind: 'kv',
        onGpu: [true, true],
        found: [half, config.numLayers - half].map((layers, index) => ({ kind: 'kv-cache-on-cpu', tensor: `kv cache of stage ${index + 1}`, tensorDevice: 'cpu', consumerDevice: gpu, bytesPerToken: kvBytes(layers), state: 'found' })),
      },
      // The residual goes to the CPU and comes back, in f32.
      { kind: 'node', onGpu: [true], found: [{ kind: 'node-fallback', tensor: undefined, tensorDevice: 'cpu', consumerDevice: gpu, bytesPerToken: 2 * config.hiddenSize * 4, state: 'found' }] },
      { kind: 'provider', onGpu: [true], found: [{ kind: 'provider-replaced', tensor: undefined, tensorDevice: 'cpu', consumerDevice: gpu, bytesPerToken: undefined, state: 'found' }] },
      { kind: 'provider', onGpu: [true, true], found: [{ kind: 'provider-replaced', tensor: undefined, tensorDevice: 'cpu', consumerDevice: gpu, bytesPerToken: undefined, state: 'found' }] },
      { kind: 'plan', onGpu: [true], found: [{ kind: 'plan-differs', tensor: undefined, tensorDevice: undefined, consumerDevice: gpu, bytesPerToken: undefined, state: 'found' }] },
    ] as const;
    for (const { kind, onGpu, found } of cases) {
      const outcome = await run(onGpu, [kind]);
      expect(relevant(outcome.messages), kind).toEqual(found);
      expect(outcome.ids, kind).toEqual(expected);
      if (kind === 'plan') {
        expect(outcome.messages[0]?.message).toBe(`The KV cache on ${gpu} takes ${formatBytes(2 * kvBytes(config.numLayers))}, whereas the plan says ${formatBytes(kvBytes(config.numLayers))}.`);
      }
      if (kind === 'node') {
        expect(outcome.messages[0]?.message).toContain('/debug/mean (Mean)');
      }
    }
  });

  it('repairs under autoFix and says so; off leaves it and says that too', { timeout: 120_000 }, async () => {
    const fixed = await run([true], ['input_ids'], 'autoFix');
    expect(relevant(fixed.messages)).toEqual([{ kind: 'host-bound-inputs', tensor: 'input_ids', tensorDevice: gpu, consumerDevice: gpu, bytesPerToken: 4, state: 'fixed' }]);
    expect(fixed.messages[0]?.message).toContain('was to be on cpu');
    const left = await run([true], ['input_ids'], 'off');
    expect(left.messages.map((message) => message.state)).toEqual(['left']);
  });
});
