import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nodeBundle } from '../../../../../tools/nodeBundle.mjs';
import { packCheckpoint } from '../../../../../src/engine/worker/packing/packCheckpoint';
import { tryLock } from '../../../../../src/engine/worker/packing/packLock';
import { planPacking } from '../../../../../src/engine/worker/packing/packPlan';
import { runJobsHere, runJobsInThreads } from '../../../../../src/engine/worker/packing/packRunner';
import { wordPackError } from '../../../../../src/engine/worker/packing/packErrors';
import { precisionFor } from '../../../../../src/model/precision';
import { copyTiny, openTiny, temporaryFolder, type OpenedTiny } from '../tinyCheckpoint';

let folder: ReturnType<typeof temporaryFolder>;
let opened: OpenedTiny;
let cacheFolder: string;
const precision = precisionFor('cpu', 'int4');

beforeEach(async () => {
  folder = temporaryFolder();
  opened = await openTiny(copyTiny('tiny-glm', join(folder.path, 'checkpoint')));
  cacheFolder = join(folder.path, 'cache');
});
afterEach(() => folder.remove());

const pack = (options: Partial<Parameters<typeof packCheckpoint>[3]> = {}) => packCheckpoint(opened.config, opened.tensors, precision, { cacheFolder, ...options });
const files = (): string[] => (existsSync(cacheFolder) ? readdirSync(join(cacheFolder, 'packed-v2')) : []);

describe('packCheckpoint', () => {
  it('packs once, reports its progress up to the last byte, and takes the file the second time', async () => {
    const progress: (readonly [number, number])[] = [];
    const first = await pack({ onProgress: ({ phase, doneBytes, totalBytes }) => (expect(phase).toBe('packing'), progress.push([doneBytes, totalBytes])) });
    const last = progress[progress.length - 1];
    expect(last?.[0]).toBe(last?.[1]);
    expect(files()).toHaveLength(1);
    const { mtimeMs } = statSync(first.path);
    const second = await pack({ onProgress: () => expect.unreachable() });
    expect(second.path).toBe(first.path);
    expect(statSync(second.path).mtimeMs).toBe(mtimeMs);
  });

  it('keeps formats apart', async () => {
    const int4 = await pack();
    const int8 = await packCheckpoint(opened.config, opened.tensors, precisionFor('cpu', 'int8'), { cacheFolder });
    expect(int8.path).not.toBe(int4.path);
    expect(int8.weightBytes).toBeGreaterThan(int4.weightBytes);
  });

  it('packs again when the checkpoint has changed', async () => {
    const first = await pack();
    const [shard] = [...opened.tensors.values()].map((tensor) => tensor.file);
    utimesSync(shard as string, new Date(), new Date(Date.now() + 5000));
    expect((await pack()).path).not.toBe(first.path);
  });

  it.each([
    ['cut short', (path: string) => truncateSync(path, statSync(path).size - 1)],
    ['of another version', (path: string) => writeFileSync(path, Buffer.from(readFileSync(path).toString('latin1').replace('"version":2', '"version":1'), 'latin1'))],
    ['empty', (path: string) => writeFileSync(path, '')],
    ['of a header that is no text', (path: string) => writeFileSync(path, readFileSync(path).fill(0xff, 16, 40))],
    ['of a header longer than the file', (path: string) => writeFileSync(path, readFileSync(path).fill(0xff, 8, 16))],
    ['of other places for its tensors', (path: string) => writeFileSync(path, Buffer.from(readFileSync(path).toString('latin1').replace(/("u8",\[[\d,]+\]),(\d)/, '$1,9'), 'latin1'))],
  ])('replaces a file that is %s', async (_, damage) => {
    const first = await pack();
    const whole = readFileSync(first.path);
    damage(first.path);
    const again = await pack();
    expect(Buffer.compare(readFileSync(again.path), whole)).toBe(0);
  });

  it('stops when cancelled and leaves nothing behind', async () => {
    const controller = new AbortController();
    await expect(pack({ signal: controller.signal, onProgress: () => controller.abort() })).rejects.toMatchObject({ code: 'cancelled' });
    expect(files()).toEqual([]);
  });

  it('lets a second loader wait for the first and share its file', async () => {
    let packings = 0;
    const onProgress = (): void => void (packings += 1);
    const both = await Promise.all([pack({ onProgress }), pack({ onProgress })]);
    expect(both[0].path).toBe(both[1].path);
    const once = packings;
    packings = 0;
    await packCheckpoint(opened.config, opened.tensors, precision, { cacheFolder: join(folder.path, 'other'), onProgress });
    expect(once).toBe(packings);
    expect(files()).toHaveLength(1);
  });

  it('takes over the lock and the leftovers of a process that died', async () => {
    const { path } = await pack();
    truncateSync(path, 10);
    writeFileSync(`${path}.lock`, '1\n');
    writeFileSync(`${path}.999999.tmp`, 'half');
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(`${path}.lock`, longAgo, longAgo);
    await pack();
    expect(files()).toEqual([path.slice(path.lastIndexOf('/') + 1)]);
  });

  it('gives up waiting for a living owner when cancelled', async () => {
    const { path } = await pack();
    truncateSync(path, 10);
    const lock = tryLock(`${path}.lock`);
    const controller = new AbortController();
    const waiting = pack({ signal: controller.signal });
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    lock?.release();
  });

  it('names the folder when it is a file or cannot be written', async () => {
    writeFileSync(cacheFolder, 'in the way');
    await expect(pack()).rejects.toMatchObject({ code: 'pack-folder-unwritable', message: expect.stringContaining(cacheFolder) });
    const locked = join(folder.path, 'locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    if (process.getuid?.() !== 0) {
      await expect(pack({ cacheFolder: locked })).rejects.toMatchObject({ code: 'pack-folder-unwritable', message: expect.stringContaining(locked) });
    }
  });

  it('names the folder when a folder stands where the packed file should', async () => {
    const { path } = await pack();
    rmSync(path);
    mkdirSync(path);
    await expect(pack()).rejects.toMatchObject({ code: 'pack-folder-unwritable' });
  });

  it.each([
    ['NaN', 0x7fc0],
    ['infinity', 0xff80],
  ])('refuses a weight that is %s and names its tensor', async (_, bits) => {
    const tensor = [...opened.tensors.values()].find(({ name }) => name.endsWith('layers.1.mlp.down_proj.weight'));
    const bytes = readFileSync(tensor?.file as string);
    bytes.writeUInt16LE(bits, (tensor?.fileOffset as number) + 2 * 777);
    writeFileSync(tensor?.file as string, bytes);
    await expect(pack()).rejects.toMatchObject({ code: 'weights-not-finite', message: expect.stringContaining('model.layers.1.mlp.down_proj.weight') });
    expect(files()).toEqual([]);
  });

  it('says that the checkpoint ended early, and leaves nothing behind', async () => {
    const [shard] = [...opened.tensors.values()].map((tensor) => tensor.file);
    truncateSync(shard as string, 20_000);
    await expect(pack()).rejects.toMatchObject({ code: 'pack-source-unreadable' });
    expect(files()).toEqual([]);
  });
});

describe('wordPackError', () => {
  it('tells a full disk with what is needed and what is free', () => {
    const error = wordPackError(Object.assign(new Error('write'), { code: 'ENOSPC' }), '/cache', 5 * 1024 ** 3, 1024 ** 3);
    expect(error).toMatchObject({ code: 'pack-disk-full', message: expect.stringMatching(/5\.0 GiB.*1\.0 GiB are free/), fields: { neededBytes: 5 * 1024 ** 3, freeBytes: 1024 ** 3 } });
  });

  it('tells a read-only file system', () => {
    expect(wordPackError(Object.assign(new Error('read-only'), { code: 'EROFS' }), '/cache', 1, undefined)).toMatchObject({ code: 'pack-folder-unwritable' });
  });
});

describe('packing threads', () => {
  it('write the same bytes as packing in this thread, and stop when cancelled', async () => {
    const threadFile = join(folder.path, 'packThread.js');
    buildSync({ ...nodeBundle, entryPoints: ['src/engine/worker/packing/packThread.ts'], outfile: threadFile, logLevel: 'error' });
    const jobs = planPacking(opened.config, opened.tensors, precision).jobs(0);
    const [here, threaded] = [join(folder.path, 'here'), join(folder.path, 'threaded')];
    writeFileSync(here, '');
    writeFileSync(threaded, '');
    await runJobsHere(jobs, here, { onBytes: () => undefined });
    let bytes = 0;
    await runJobsInThreads(jobs, threaded, threadFile, 3, { onBytes: (count) => (bytes += count) });
    expect(Buffer.compare(readFileSync(here), readFileSync(threaded))).toBe(0);
    expect(bytes).toBeGreaterThan(100_000);
    const controller = new AbortController();
    const cancelled = runJobsInThreads(jobs, threaded, threadFile, 2, { signal: controller.signal, onBytes: () => controller.abort() });
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    await expect(runJobsInThreads([{ ...(jobs[0] as (typeof jobs)[number]), runs: [{ file: '/absent', dtype: 'bf16', fileOffset: 0, elements: 2 }] }], threaded, threadFile, 1, { onBytes: () => undefined })).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});
