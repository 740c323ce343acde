/** The body of a thread that draws weights and writes them where they belong in their files. */

import type * as FileSystem from 'node:fs';
import type * as Threads from 'node:worker_threads';

/** One piece of a tensor. */
export interface FillTask {
  readonly file: number;
  readonly fileOffset: number;
  /** Even. */
  readonly numValues: number;
  readonly table: number;
  /** Not 0. */
  readonly seed: number;
}

export interface FillInput {
  readonly files: readonly string[];
  readonly tasks: readonly FillTask[];
  /** u16[tables][65536] */
  readonly tables: SharedArrayBuffer;
  /** i32[1]: the next task that nobody has taken. */
  readonly nextTask: SharedArrayBuffer;
}

/**
 * Runs in a worker from its own source text, so it must not refer to anything outside itself.
 * Values come from xorshift32, two to a word, so that a piece depends on its seed alone and not on which thread drew it.
 */
export function fillThread(): void {
  // A worker's source text is a script: it has require, but no imports of this module.
  /* eslint-disable @typescript-eslint/no-require-imports */
  const { openSync, writeSync, closeSync } = require('node:fs') as typeof FileSystem;
  const { parentPort, workerData } = require('node:worker_threads') as typeof Threads;
  /* eslint-enable @typescript-eslint/no-require-imports */
  const { files, tasks, tables, nextTask } = workerData as FillInput;
  const next = new Int32Array(nextTask);
  const handles = new Map<number, number>();
  try {
    for (let i = Atomics.add(next, 0, 1); i < tasks.length; i = Atomics.add(next, 0, 1)) {
      const task = tasks[i]!;
      const table = new Uint16Array(tables, task.table * 131_072, 65_536);
      const words = new Uint32Array(task.numValues / 2);
      let x = task.seed | 0;
      for (let w = 0; w < words.length; w++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        words[w] = table[x & 0xffff]! | (table[x >>> 16]! << 16);
      }
      let handle = handles.get(task.file);
      if (handle === undefined) {
        handle = openSync(files[task.file]!, 'r+');
        handles.set(task.file, handle);
      }
      const bytes = new Uint8Array(words.buffer);
      for (let written = 0; written < bytes.length; ) {
        written += writeSync(handle, bytes, written, bytes.length - written, task.fileOffset + written);
      }
      parentPort!.postMessage(bytes.length);
    }
  } finally {
    for (const handle of handles.values()) {
      closeSync(handle);
    }
  }
}
