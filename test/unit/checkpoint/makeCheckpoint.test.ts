import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeCheckpoint } from '../../../src/checkpoint/make/makeCheckpoint';
import { bf16Bits, f16Bits } from '../../../src/checkpoint/make/quantileTable';
import { shapeOf, type ShapeName } from '../../../src/checkpoint/make/shapes';
import { layOutShards } from '../../../src/checkpoint/make/shardLayout';
import { tensorsOf } from '../../../src/checkpoint/make/tensorList';
import { openCheckpoint } from '../../../src/checkpoint/openCheckpoint';
import { createTokenizer } from '../../../src/tokenizer/createTokenizer';
import { put, temporaryFolder } from './files';

const root = temporaryFolder();

describe('makeCheckpoint', () => {
  it('writes what openCheckpoint and the tokenizer accept, the same for a seed whatever the number of threads', async () => {
    const one = await makeCheckpoint({ shape: 'tiny', folder: join(root, 'one'), numThreads: 1, seed: 5, maxShardBytes: 600_000 });
    await makeCheckpoint({ shape: 'tiny', folder: join(root, 'three'), numThreads: 3, seed: 5, maxShardBytes: 600_000 });
    await makeCheckpoint({ shape: 'tiny', folder: join(root, 'other'), numThreads: 1, seed: 6, maxShardBytes: 600_000 });
    const checkpoint = await openCheckpoint(one.folder, { env: {} });
    expect(checkpoint.shardFiles).toHaveLength(one.numShards);
    expect(one.numShards).toBeGreaterThan(1);
    expect(checkpoint.fileBytes).toBe(one.fileBytes);
    for (const name of readdirSync(one.folder)) {
      expect(readFileSync(join(root, 'three', name)).equals(readFileSync(join(one.folder, name)))).toBe(true);
    }
    expect(readFileSync(join(root, 'other', 'model-00001-of-00003.safetensors')).equals(readFileSync(join(one.folder, 'model-00001-of-00003.safetensors')))).toBe(false);
    const tokenizer = createTokenizer(checkpoint.tokenizerFiles, checkpoint);
    expect(tokenizer.eosIds).toEqual([800, 807, 809]);
    expect(tokenizer.decode(tokenizer.renderChat({ messages: [{ role: 'user', content: '你好 tensor' }] }).ids, { skipSpecial: false })).toBe('[gMASK]<sop><|user|>\n你好 tensor<|assistant|>');
  });

  it('draws weights with the intended mean and spread, all finite', async () => {
    const { folder } = await makeCheckpoint({ shape: 'tiny', folder: join(root, 'stats'), dtype: 'f16' });
    const { tensors } = await openCheckpoint(folder, { env: {} });
    for (const { name, mean, std } of tensorsOf(shapeOf('tiny')).filter(({ shape }) => shape.reduce((a, b) => a * b) > 10_000)) {
      const { file, fileOffset, byteLength } = tensors.get(name)!;
      const bytes = readFileSync(file).subarray(fileOffset, fileOffset + byteLength);
      const values = Array.from({ length: byteLength / 2 }, (_, i) => fromF16(bytes.readUInt16LE(2 * i)));
      const average = values.reduce((sum, value) => sum + value, 0) / values.length;
      const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length);
      expect(values.every(Number.isFinite)).toBe(true);
      expect(Math.abs(average - mean)).toBeLessThan(std * 0.05);
      expect(spread / std).toBeCloseTo(1, 1);
    }
  });

  it('refuses a folder that holds something, and leaves nothing behind when cancelled', async () => {
    put(join(root, 'full', 'x'), 'x');
    await expect(makeCheckpoint({ shape: 'tiny', folder: join(root, 'full') })).rejects.toMatchObject({ code: 'folder-not-empty' });
    await expect(makeCheckpoint({ shape: 'tiny', folder: join(root, 'full', 'x') })).rejects.toMatchObject({ code: 'folder-not-empty' });
    const controller = new AbortController();
    await expect(makeCheckpoint({ shape: 'tiny', folder: join(root, 'gone'), signal: controller.signal, numThreads: 1, onProgress: () => controller.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    expect(existsSync(join(root, 'gone'))).toBe(false);
    expect(readdirSync(root).filter((name) => name.includes('partial'))).toEqual([]);
  });
});

describe('shapes', () => {
  it('have the published numbers of parameters', () => {
    const billions = (name: ShapeName): number => tensorsOf(shapeOf(name)).reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0) / 1e9;
    expect(billions('edge-1.5b')).toBeCloseTo(1.47, 2);
    expect(billions('9b')).toBeCloseTo(9.4, 2);
    expect(billions('32b')).toBeCloseTo(32.57, 1);
  });

  it('are cut into files of at most 5 GB', () => {
    const shards = layOutShards(tensorsOf(shapeOf('9b')), 'bf16', 5e9);
    expect(shards.map(({ fileName }) => fileName)).toEqual([1, 2, 3, 4].map((i) => `model-0000${i}-of-00004.safetensors`));
    expect(Math.max(...shards.map(({ fileBytes }) => fileBytes))).toBeLessThan(5e9 + 1e6);
  });
});

describe('half precision', () => {
  it('rounds as IEEE 754 does', () => {
    expect([0, -0, 1, -2, 65_504, 65_520, 2 ** -24, 2 ** -25, 1.0009765625, 1 + 2 ** -11, 0.1].map(f16Bits)).toEqual([0, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x7c00, 1, 0, 0x3c01, 0x3c00, 0x2e66]);
    expect([1, -2, 0.1, 1 + 2 ** -8, 1 + 3 * 2 ** -8].map(bf16Bits)).toEqual([0x3f80, 0xc000, 0x3dcd, 0x3f80, 0x3f82]);
  });
});

function fromF16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const magnitude = exponent === 0 ? (bits & 1023) * 2 ** -24 : exponent === 31 ? Infinity : (1 + (bits & 1023) / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}
