import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { AlignmentMessage } from '../../src/common/alignment';
import type { LoadOptions } from '../../src/common/protocol/engine';
import { defaultLength, greedySampling } from '../../src/common/sampling';
import type { Engine } from '../../src/engine/worker/engine';
import { fixtureFolder } from '../unit/engine/worker/tinyCheckpoint';
import { wholeEngine } from './wholeEngine';

// Whole engines, on the CPU and on WebGPU's software rasteriser: what comes from the plan, and what from other engines.

const folder = mkdtempSync(join(tmpdir(), 'glm-engines-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const source = fixtureFolder('tiny-glm4');
const options: LoadOptions = { source, provider: 'webgpu', weights: 'f32', kvCache: 'auto', contextTokens: 48, maxBatch: 1, deviceMap: { kind: 'auto' }, allowSoftwareGpu: true, cpuThreads: 1, cacheFolder: folder, alignment: 'warn' };
const signal = new AbortController().signal;

function open(pid: number): { readonly engine: Engine; readonly told: AlignmentMessage[]; readonly resolved: string[]; answer(): Promise<unknown> } {
  const told: AlignmentMessage[] = [];
  const resolved: string[] = [];
  const engine = wholeEngine(folder, { pid, events: { onAlignment: (message) => told.push(message), onAlignmentResolved: (keys) => resolved.push(...keys) } });
  let asked = 0;
  const answer = async (): Promise<unknown> =>
    engine.handlers.generate({ generationId: `g${asked++}`, prompt: { kind: 'ids', ids: [5, 9, 40] }, options: { ...greedySampling, ...defaultLength, maxNewTokens: 2, ignoreEos: true } }, signal);
  return { engine, told, resolved, answer };
}

describe('an engine on two devices', () => {
  it('tells nothing when all is in its place, before and after an answer, and says that its GPU is none', { timeout: 120_000 }, async () => {
    const { engine, told, answer } = open(1);
    const model = await engine.handlers['model-load'](options, signal);
    await answer();
    expect(told).toEqual([]);
    expect(model.simulated).toBe(true);
    await engine.unload();
  });

  it('tells layers on the CPU by a map, whose GPU has room, and nothing else', { timeout: 120_000 }, async () => {
    const { engine, told, answer } = open(1);
    const model = await engine.handlers['model-load']({ ...options, deviceMap: { kind: 'map', map: { '': 'webgpu:0', 'model.layers.1': 'cpu' } } }, signal);
    await answer();
    await answer();
    expect(told.map(({ kind, state, simulated, next }) => [kind, state, simulated, next[0]?.command])).toEqual([['stage-on-cpu', 'found', true, 'glm.fixAlignment']]);
    expect(told[0]?.message).toMatch(/^1 layer \(1, .+\) is on cpu, whereas the rest of the model is on webgpu:0\. webgpu:0 has .+ free and could hold it\. \(simulated\)$/);
    expect(model.alignment).toEqual(told);
    await engine.unload();
  });

  it('tells a second model on its device, once, and takes that back when the other goes', { timeout: 120_000 }, async () => {
    const [first, second] = [open(1), open(2)];
    await first.engine.handlers['model-load'](options, signal);
    await second.engine.handlers['model-load'](options, signal);
    await first.answer();
    await first.answer();
    for (const { told } of [first, second]) {
      expect(told.map(({ kind, consumerDevice }) => [kind, consumerDevice])).toEqual([['devices-shared', 'webgpu:0']]);
    }
    await second.engine.unload();
    await first.answer();
    expect(first.resolved).toEqual([first.told[0]?.key]);
    await first.engine.unload();
  });

  it('withdraws what it announced when a load fails', { timeout: 120_000 }, async () => {
    const [first, second] = [open(1), open(2)];
    await expect(second.engine.handlers['model-load']({ ...options, misplace: ['hidden'] }, signal)).rejects.toThrow(/no stage on a GPU takes hidden states/);
    await first.engine.handlers['model-load'](options, signal);
    await first.answer();
    expect(first.told).toEqual([]);
    await first.engine.unload();
  });
});
