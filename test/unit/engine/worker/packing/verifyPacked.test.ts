import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { buildSync } from 'esbuild';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeBundle } from '../../../../../tools/nodeBundle.mjs';
import type { Log } from '../../../../../src/common/log';
import { packCheckpoint } from '../../../../../src/engine/worker/packing/packCheckpoint';
import type { PackedWeights } from '../../../../../src/engine/worker/packing/packedFile';
import { planPacking } from '../../../../../src/engine/worker/packing/packPlan';
import { loadDigest, tryReadDigestTable, writeDigestTable, type PieceDigest } from '../../../../../src/engine/worker/packing/pieceDigest';
import { verifyPacked } from '../../../../../src/engine/worker/packing/verifyPacked';
import { openStages } from '../../../../../src/engine/worker/stages/openStages';
import { precisionFor } from '../../../../../src/model/precision';
import { copyTiny, cpuPlan, openTiny, temporaryFolder, type OpenedTiny } from '../tinyCheckpoint';

let folder: ReturnType<typeof temporaryFolder>;
let opened: OpenedTiny;
let cacheFolder: string;
let packed: PackedWeights;
const precision = precisionFor('cpu', 'int4');
const pack = (from: OpenedTiny): Promise<PackedWeights> => packCheckpoint(from.config, from.tensors, precision, { cacheFolder });

beforeEach(async () => {
  folder = temporaryFolder();
  opened = await openTiny(copyTiny('tiny-glm', join(folder.path, 'checkpoint')));
  cacheFolder = join(folder.path, 'cache');
  packed = await pack(opened);
});
afterEach(() => folder.remove());

function replaceByFolder(path: string): void {
  rmSync(path);
  mkdirSync(path);
}

function flipBit(path: string, offset: number, bit = 0): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] ?? 0) ^ (1 << bit);
  writeFileSync(path, bytes);
}

describe('a digest table', () => {
  it('gives back the pieces by offset, and nothing once a byte of it has changed', async () => {
    const digest = await loadDigest();
    const piece = fc.record({ offset: fc.nat(2 ** 40), byteLength: fc.nat(2 ** 30), digest: fc.bigInt(0n, 2n ** 64n - 1n) });
    fc.assert(
      fc.property(fc.uniqueArray(piece, { minLength: 1, maxLength: 20, selector: ({ offset }) => offset }), fc.nat(), fc.integer({ min: 1, max: 255 }), (pieces, at, change) => {
        const table = writeDigestTable(pieces, digest);
        expect(tryReadDigestTable(table, digest)).toEqual([...pieces].sort((a, b) => a.offset - b.offset));
        const index = at % table.byteLength;
        // Four bytes of padding mean nothing, but are covered too.
        table[index] = (table[index] ?? 0) ^ change;
        expect(tryReadDigestTable(table, digest)).toBeUndefined();
      }),
    );
  });

  it('is not read from what is too short', async () => {
    const digest = await loadDigest();
    expect([0, 8, 24, 47].map((length) => tryReadDigestTable(new Uint8Array(length), digest))).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe('verifyPacked', () => {
  it('covers every byte of every stored tensor', async () => {
    const bytes = readFileSync(packed.path);
    const pieces = tryReadDigestTable(bytes.subarray(packed.tableOffset), await loadDigest()) as readonly PieceDigest[];
    const covered = new Uint8Array(bytes.byteLength);
    pieces.forEach(({ offset, byteLength }) => covered.fill(1, offset, offset + byteLength));
    for (const { name } of planPacking(opened.config, opened.tensors, precision).stored) {
      const { offset, byteLength } = packed.place(name);
      expect(covered.subarray(offset, offset + byteLength).every((flag) => flag === 1), name).toBe(true);
    }
  });

  it('finds nothing in a whole file, and a flipped bit wherever it is', async () => {
    await verifyPacked(packed, {});
    const stored = planPacking(opened.config, opened.tensors, precision).stored;
    for (const [index, { name }] of [...stored.entries()].filter(([at]) => at % 5 === 0)) {
      const { offset, byteLength } = packed.place(name);
      const at = offset + ((index * 7919) % byteLength);
      flipBit(packed.path, at, index % 8);
      await expect(verifyPacked(packed, {}), name).rejects.toMatchObject({ code: 'pack-damaged' });
      flipBit(packed.path, at, index % 8);
    }
    await verifyPacked(packed, {});
  });

  it.each([
    ['changed', (weights: PackedWeights) => flipBit(weights.path, weights.tableOffset + 40)],
    ['cut short', ({ path }: PackedWeights) => truncateSync(path, statSync(path).size - 24)],
    ['longer', ({ path }: PackedWeights) => appendFileSync(path, Buffer.alloc(24))],
  ])('finds digests that were %s', async (_, damage) => {
    damage(packed);
    await expect(verifyPacked(packed, {})).rejects.toMatchObject({ code: 'pack-damaged' });
  });

  it('finds the same in threads, and stops when cancelled', async () => {
    const threadFile = join(folder.path, 'packThread.js');
    buildSync({ ...nodeBundle, entryPoints: ['src/engine/worker/packing/packThread.ts'], outfile: threadFile, logLevel: 'error' });
    await verifyPacked(packed, { threadFile, threads: 3 });
    const stop = new AbortController();
    const stopped = verifyPacked(packed, { threadFile, threads: 3, signal: stop.signal });
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'cancelled' });
    flipBit(packed.path, packed.tableOffset - 1);
    const alone = await verifyPacked(packed, {}).catch((error: unknown) => error);
    expect(alone).toMatchObject({ code: 'pack-damaged' });
    await expect(verifyPacked(packed, { threadFile, threads: 3 })).rejects.toMatchObject({ fields: (alone as { fields: object }).fields });
  });
});

describe('a load', () => {
  it('packs damaged weights again, with a warning, and computes what it did before', async () => {
    const warnings: string[] = [];
    const log: Log = { log: (level, _tag, message) => void (level === 'warn' && warnings.push(message)) };
    const logitsOf = async (): Promise<number[]> => {
      const runner = await openStages({ ...opened, plan: cpuPlan(opened.config, 'int4'), maxBatch: 1, cacheFolder, cpuThreads: 1, log });
      const row = await (await runner.prefill(0, Int32Array.of(1, 2, 3), true))?.full();
      const logits = [...(row as Float32Array)];
      await runner.dispose();
      return logits;
    };
    const before = await logitsOf();
    expect(warnings).toEqual([]);
    const whole = readFileSync(packed.path);
    flipBit(packed.path, packed.tableOffset - 5, 6);
    expect(await logitsOf()).toEqual(before);
    expect(warnings).toEqual([expect.stringMatching(/are damaged from byte .* packed again now/)]);
    expect(Buffer.compare(readFileSync(packed.path), whole)).toBe(0);
  });

  it('names the damage where the damaged file cannot be replaced', async () => {
    flipBit(packed.path, packed.tableOffset - 5, 6);
    // A folder in its place can't be removed as a file can: stands for a read-only file system.
    const load = openStages({ ...opened, plan: cpuPlan(opened.config, 'int4'), maxBatch: 1, cacheFolder, cpuThreads: 1, onProgress: ({ phase }) => phase === 'warming-up' && replaceByFolder(packed.path) });
    await expect(load).rejects.toMatchObject({ code: 'pack-damaged' });
  });

  it.each(['loading', 'packing'] as const)('packs again when the cache folder is emptied while it is %s, once', async (phase) => {
    const warnings: string[] = [];
    const log: Log = { log: (level, _tag, message) => void (level === 'warn' && warnings.push(message)) };
    if (phase === 'packing') {
      rmSync(cacheFolder, { recursive: true });
    }
    let removals = 0;
    const load = (most: number) =>
      openStages({
        ...opened,
        plan: cpuPlan(opened.config, 'int4'),
        maxBatch: 1,
        cacheFolder,
        cpuThreads: 1,
        log,
        onProgress: (progress) => {
          if (progress.phase === phase && progress.doneBytes === (phase === 'packing' ? progress.totalBytes : 0) && removals < most) {
            removals += 1;
            rmSync(cacheFolder, { recursive: true });
          }
        },
      });
    await (await load(1)).dispose();
    expect(removals).toBe(1);
    expect(warnings).toEqual([expect.stringMatching(/were removed while the model was being loaded.* They are packed again now\.$/)]);
    if (phase === 'packing') {
      rmSync(cacheFolder, { recursive: true });
    }
    await expect(load(3)).rejects.toMatchObject({ code: 'pack-gone' });
    expect(removals).toBe(3);
  });
});

describe('what is outdated', () => {
  const names = (): string[] => readdirSync(join(cacheFolder, 'packed-v2'));

  it('goes when its checkpoint has been replaced, and only then', async () => {
    const other = await openTiny(copyTiny('tiny-edge', join(folder.path, 'other')));
    const { path: otherPath } = await pack(other);
    const int8 = await packCheckpoint(opened.config, opened.tensors, precisionFor('cpu', 'int8'), { cacheFolder });
    const [shard] = [...opened.tensors.values()].map((tensor) => tensor.file);
    utimesSync(shard as string, new Date(), new Date(Date.now() + 5000));
    const again = await pack(opened);
    expect(again.path).not.toBe(packed.path);
    expect(names().sort()).toEqual([again.path, int8.path, otherPath].map((path) => basename(path)).sort());
  });

  it('notices a checkpoint whose bytes changed while its size and time did not', async () => {
    const [shard] = [...opened.tensors.values()].map((tensor) => tensor.file) as [string];
    const { mtime } = statSync(shard);
    flipBit(shard, statSync(shard).size - 1);
    utimesSync(shard, mtime, mtime);
    expect((await pack(opened)).path).not.toBe(packed.path);
  });

  it('goes with the layout of an older version, but nothing else that lies there', async () => {
    const old = join(cacheFolder, 'packed-v1');
    mkdirSync(old);
    writeFileSync(join(old, 'a.glmpack'), 'x');
    writeFileSync(join(old, 'notes.txt'), 'mine');
    truncateSync(packed.path, 10);
    await pack(opened);
    expect(readdirSync(old)).toEqual(['notes.txt']);
  });
});
