/**
 * Writes checkpoints with random weights in Hugging Face's format: the shapes and files of published models without their training.
 * For benchmarks and tests; the text such a model produces is noise.
 */

import { mkdir, open, readdir, rename, rm, rmdir, statfs, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import { formatBytes } from '../../common/byteFormat';
import { CancelledError, GlmError, throwIfAborted } from '../../common/errors';
import { errorCodeOf } from '../boundedFile';
import { configFiles } from './configFiles';
import { fillThread, type FillInput, type FillTask } from './fillThread';
import { quantileTable } from './quantileTable';
import { defaultArchitecture, shapeOf, type Architecture, type ShapeName } from './shapes';
import { indexText, layOutShards, type ShardLayout } from './shardLayout';
import { tensorsOf } from './tensorList';

export interface MakeOptions {
  readonly shape: ShapeName;
  /** The folder to make; must not exist or be empty. */
  readonly folder: string;
  /** Default: the one the size was published in. */
  readonly architecture?: Architecture;
  readonly dtype?: 'bf16' | 'f16';
  readonly seed?: number;
  readonly numThreads?: number;
  /** Default 5 GB, as transformers. */
  readonly maxShardBytes?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

export interface MadeCheckpoint {
  readonly folder: string;
  readonly fileBytes: number;
  readonly numShards: number;
  readonly parameterCount: number;
}

/** Values per task: 16 MiB in a thread's hands at a time. */
const valuesPerTask = 8 * 1024 * 1024;

/**
 * The folder appears under its name only when complete: it is written under a temporary one and renamed. The same seed gives the same bytes,
 * whatever the number of threads.
 *
 * @throws {GlmError} `folder-not-empty` | `disk-full` | `cannot-write`; {@link CancelledError}. Nothing is left behind.
 */
export async function makeCheckpoint(options: MakeOptions): Promise<MadeCheckpoint> {
  const { dtype = 'bf16', seed = 0, maxShardBytes = 5e9, signal } = options;
  const folder = resolve(options.folder);
  const shape = shapeOf(options.shape, options.architecture ?? defaultArchitecture(options.shape));
  const shards = layOutShards(tensorsOf(shape), dtype, maxShardBytes);
  const fileBytes = shards.reduce((sum, shard) => sum + shard.fileBytes, 0);
  throwIfAborted(signal, 'Making the checkpoint');
  await refuseOccupied(folder);
  const temporary = `${folder}.partial-${process.pid}`;
  try {
    await mkdir(dirname(folder), { recursive: true });
    await refuseFullDisk(dirname(folder), fileBytes);
    await mkdir(temporary);
    const files = [...configFiles(shape, dtype), ...[indexText(shards)].flatMap((text) => (text === undefined ? [] : [['model.safetensors.index.json', text] as const]))];
    for (const [name, text] of files) {
      await writeFile(join(temporary, name), text);
    }
    await writeShards(temporary, shards, dtype, seed, options);
    await rmdir(folder).catch(() => undefined); // An empty folder may be replaced; anything else makes the rename fail.
    await rename(temporary, folder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true });
    throw explain(error, folder, fileBytes);
  }
  return { folder, fileBytes, numShards: shards.length, parameterCount: (fileBytes - shards.reduce((sum, shard) => sum + shard.head.length, 0)) / 2 };
}

async function writeShards(folder: string, shards: readonly ShardLayout[], dtype: 'bf16' | 'f16', seed: number, options: MakeOptions): Promise<void> {
  const files = shards.map((shard) => join(folder, shard.fileName));
  for (const [i, shard] of shards.entries()) {
    const file = await open(files[i]!, 'w');
    try {
      await file.truncate(shard.fileBytes);
      await file.write(shard.head, 0, shard.head.length, 0);
    } finally {
      await file.close();
    }
  }
  const tables = new Map<string, { readonly index: number; readonly values: Uint16Array }>();
  const tasks: FillTask[] = [];
  for (const [file, shard] of shards.entries()) {
    for (const { tensor, fileOffset, byteLength } of shard.tensors) {
      const key = `${tensor.mean} ${tensor.std}`;
      const table = tables.get(key) ?? { index: tables.size, values: quantileTable(tensor.mean, tensor.std, dtype) };
      tables.set(key, table);
      for (let first = 0; first < byteLength / 2; first += valuesPerTask) {
        tasks.push({ file, fileOffset: fileOffset + 2 * first, numValues: Math.min(valuesPerTask, byteLength / 2 - first), table: table.index, seed: taskSeed(seed, tasks.length) });
      }
    }
  }
  const shared = new SharedArrayBuffer(tables.size * 131_072);
  for (const { index, values } of tables.values()) {
    new Uint16Array(shared, index * 131_072, 65_536).set(values);
  }
  await runThreads({ files, tasks, tables: shared, nextTask: new SharedArrayBuffer(4) }, options);
}

/** Ends every thread before it settles, whatever happened. */
async function runThreads(input: FillInput, { numThreads = Math.min(availableParallelism(), 16), signal, onProgress }: MakeOptions): Promise<void> {
  const totalBytes = input.tasks.reduce((sum, task) => sum + 2 * task.numValues, 0);
  const workers: Worker[] = [];
  let doneBytes = 0;
  try {
    await new Promise<void>((resolveAll, reject) => {
      const abort = (): void => reject(new CancelledError('Making the checkpoint'));
      signal?.addEventListener('abort', abort, { once: true });
      let running = Math.min(Math.max(numThreads, 1), input.tasks.length);
      for (let i = running; i > 0; i--) {
        const worker = new Worker(`(${fillThread.toString()})()`, { eval: true, workerData: input });
        workers.push(worker);
        worker.on('message', (bytes: number) => {
          doneBytes += bytes;
          onProgress?.(doneBytes, totalBytes);
        });
        worker.on('error', reject);
        worker.on('exit', () => {
          running -= 1;
          if (running === 0) {
            signal?.removeEventListener('abort', abort);
            resolveAll();
          }
        });
      }
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  if (doneBytes !== totalBytes) {
    throw new GlmError('cannot-write', `Only ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)} were written. Try again.`);
  }
}

/** Distinct, well mixed, never 0. */
function taskSeed(seed: number, task: number): number {
  let z = (Math.imul(seed | 0, 0x9e3779b9) + Math.imul(task + 1, 0x85ebca6b)) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) | 1;
}

async function refuseOccupied(folder: string): Promise<void> {
  let entries: readonly string[] = [];
  try {
    entries = await readdir(folder);
  } catch (error) {
    if (errorCodeOf(error) !== 'ENOENT') {
      throw new GlmError('folder-not-empty', `${folder} cannot be used as a new folder (${errorCodeOf(error) ?? String(error)}). Choose another place.`, { fields: { folder }, cause: error });
    }
  }
  if (entries.length > 0) {
    throw new GlmError('folder-not-empty', `${folder} is not empty (${entries.length} entries), and nothing is ever overwritten. Choose a new folder or delete this one first.`, { fields: { folder } });
  }
}

async function refuseFullDisk(parent: string, fileBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(parent);
  const freeBytes = bavail * bsize;
  if (freeBytes < fileBytes * 1.01) {
    throw new GlmError('disk-full', `The checkpoint takes ${formatBytes(fileBytes)}, but the disk of ${parent} has ${formatBytes(freeBytes)} free. Free some space or choose another disk.`, { fields: { freeBytes, fileBytes } });
  }
}

function explain(error: unknown, folder: string, fileBytes: number): unknown {
  const code = errorCodeOf(error);
  if (error instanceof GlmError) {
    return error;
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new GlmError('disk-full', `The disk became full while ${folder} was written; it takes ${formatBytes(fileBytes)}. What had been written was deleted. Free some space or choose another disk.`, { fields: { folder, fileBytes }, cause: error });
  }
  return new GlmError('cannot-write', `${folder} could not be written (${code ?? String(error)}). Check the folder's permissions or choose another place.`, { fields: { folder }, cause: error });
}
