import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readdirSync } from 'node:fs';
import { openStages, type StageRunner } from '../../../../../src/engine/worker/stages/openStages';
import { cpuPlan, fixtureFolder, openTiny, temporaryFolder, type OpenedTiny } from '../tinyCheckpoint';

const cache = temporaryFolder();
let opened: OpenedTiny;
let runner: StageRunner;
const { TMPDIR } = process.env;
beforeAll(async () => {
  // Where the runtime's files go, so that what other programs leave there does not count.
  process.env.TMPDIR = cache.path;
  opened = await openTiny(fixtureFolder('tiny-glm4'));
  runner = await openStages({ ...opened, plan: cpuPlan(opened.config, 'int4', { contextTokens: 48, numStages: 2 }), maxBatch: 2, cacheFolder: cache.path, cpuThreads: 1, prefillChunkTokens: 16 });
});
afterAll(async () => {
  if (TMPDIR === undefined) {
    delete process.env.TMPDIR;
  } else {
    process.env.TMPDIR = TMPDIR;
  }
  await runner.dispose();
  cache.remove();
});
const signal = new AbortController().signal;
const profileFolders = (): number => readdirSync(cache.path).filter((name) => name.startsWith('glm-profile-')).length;

describe('operators of a loaded model', () => {
  it('are timed in extra steps of both kinds, with layers and bytes', async () => {
    runner.rewindTo(0, 0);
    const before = profileFolders();
    const [prefill, decode] = await runner.profileOperators(0, { promptTokens: 20, decodeSteps: 4 }, signal);
    expect(prefill).toMatchObject({ kind: 'prefill', tokens: 16, contextTokens: 0, clock: 'host', mode: 'extra' });
    expect(decode).toMatchObject({ kind: 'decode', tokens: 1, contextTokens: 20, clock: 'host', mode: 'extra' });
    for (const profile of [prefill!, decode!]) {
      expect(profile.plainStepMs).toBeGreaterThan(0);
      expect(profile.startsUs).toHaveLength(profile.steps.length * profile.nodes.length);
      // Every node ran in every step, one after the other within the step.
      expect(Math.min(...profile.durationsUs)).toBeGreaterThanOrEqual(0);
      profile.steps.forEach(({ durationMs }, step) => {
        const sumUs = profile.durationsUs.slice(step * profile.nodes.length, (step + 1) * profile.nodes.length).reduce((sum, us) => sum + us, 0);
        expect(sumUs / 1000).toBeLessThanOrEqual(durationMs);
        expect(sumUs / 1000).toBeGreaterThan(0);
      });
      const layers = new Set(profile.nodes.map(({ layer }) => layer));
      expect(layers).toEqual(new Set([undefined, ...Array.from({ length: opened.config.numLayers }, (_, layer) => layer)]));
      expect(new Set(profile.nodes.map(({ stageIndex }) => stageIndex))).toEqual(new Set([0, 1]));
      expect(profile.nodes.every(({ provider }) => provider === 'CPUExecutionProvider')).toBe(true);
    }
    expect(decode!.steps).toHaveLength(4);
    // Values, scales and zero points of the weight as it is held, and f32 rows of x and y.
    const { hiddenSize, vocabSize } = opened.config;
    const weightBytes = runner['stages'][1]!.parts.stored.reduce((sum, { spec, byteLength }) => sum + (spec.id === 'lm_head' ? byteLength : 0), 0);
    const head = decode!.nodes.find(({ name }) => name === '/lm_head');
    expect(head).toMatchObject({ opType: 'MatMulNBits', stageIndex: 1, bytes: weightBytes + 4 * hiddenSize + 4 * vocabSize, flops: 2 * hiddenSize * vocabSize });
    expect(profileFolders()).toBe(before);
    expect(runner.length(0)).toBe(20);
  });

  it('stop when they are cancelled, and leave the runner usable', async () => {
    runner.rewindTo(0, 0);
    const before = profileFolders();
    await expect(runner.profileOperators(0, { promptTokens: 4, decodeSteps: 3 }, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
    expect(profileFolders()).toBe(before);
    runner.rewindTo(0, 0);
    await expect(runner.prefill(0, Int32Array.of(1, 2), true)).resolves.toBeDefined();
  });

  it('belong to parts whose bytes are the model\'s', () => {
    const { parts, copies, nodes } = runner.stageFacts();
    expect(parts.map(({ part }) => part)).toEqual(['embedding', ...Array.from({ length: opened.config.numLayers }, () => 'layer'), 'head']);
    const [use] = runner.memoryUse();
    expect(parts.reduce((sum, { weightBytes }) => sum + weightBytes, 0)).toBe(use!.weightBytes);
    expect(parts.reduce((sum, { kvBytesPerPosition }) => sum + kvBytesPerPosition, 0) * 48 * 2).toBeCloseTo(use!.kvBytes, 6);
    expect(copies).toEqual([{ fromStage: 0, toStage: 1, from: 'cpu', to: 'cpu', route: 'same-device', bytesPerToken: opened.config.hiddenSize * 4 }]);
    expect(nodes.length).toBeGreaterThan(10);
  });
});
