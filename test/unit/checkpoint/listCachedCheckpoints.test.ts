import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { listCachedCheckpoints } from '../../../src/checkpoint/listCachedCheckpoints';
import { config, f32, put, putCached, safetensors, temporaryFolder } from './files';

describe('listCachedCheckpoints', () => {
  it('lists what is there by name, with the reason where it cannot be loaded', async () => {
    const root = temporaryFolder();
    const weights = safetensors({ a: f32(0, 1) }, 4);
    putCached(root, 'org/glm', 'aaaaaaa', { 'config.json': config, 'model.safetensors': weights });
    putCached(root, 'org/llama', 'bbbbbbb', { 'config.json': '{"model_type":"llama"}', 'model.safetensors': weights });
    putCached(root, 'org/only-config', 'ccccccc', { 'config.json': config });
    const damaged = putCached(root, 'org/damaged', 'ddddddd', { 'config.json': config });
    rmSync(join(damaged, 'blobs', 'ddddddd-config.json'));
    put(join(root, 'models--org--started', 'refs', 'main'), 'eeeeeee');
    put(join(root, 'datasets--org--data', 'refs', 'main'), 'fffffff');
    const list = await listCachedCheckpoints({ env: { HF_HUB_CACHE: root } });
    expect(list.map(({ name, modelType, fileBytes, supported }) => [name, modelType, fileBytes, supported])).toEqual([
      ['org/damaged', undefined, 0, false],
      ['org/glm', 'glm4', weights.length, true],
      ['org/llama', 'llama', weights.length, false],
      ['org/only-config', 'glm4', 0, false],
      ['org/started', undefined, 0, false],
    ]);
    expect(list.every(({ supported, problem }) => supported === (problem === undefined))).toBe(true);
    expect(list.find(({ name }) => name === 'org/llama')?.problem).toContain('llama is not supported; supported are glm, glm4, chatglm');
  });

  it('is empty without a cache', async () => {
    expect(await listCachedCheckpoints({ env: {} })).toEqual([]);
  });
});
