/** One unit of packing: some rows of one weight, read from the checkpoint, converted, and written to their place. Runs in a thread; knows plain data only. */

import { readSync, writeSync } from 'node:fs';
import type { DType } from '../../../common/dtype';
import { encodeFloats, fromF16Bits } from '../../../model/halfFloat';
import type { FloatDType } from '../../../model/precision';
import type { Digest, PieceDigest } from './pieceDigest';
import { quantizeRows4, quantizeRows4WithZeroPoints, quantizeRows8 } from './blockQuantize';

/** A run of elements in a checkpoint file. */
export interface SourceRun {
  readonly file: string;
  readonly dtype: DType;
  readonly fileOffset: number;
  readonly elements: number;
}

export type PackTarget =
  | { readonly kind: 'dense'; readonly dtype: DType; readonly offset: number }
  | { readonly kind: 'quantized'; readonly bits: 4 | 8; readonly blockSize: number; readonly valuesOffset: number; readonly scalesOffset: number; readonly scaleDtype: FloatDType; readonly zeroPointsOffset?: number };

export interface PackJob {
  /** Names in the checkpoint, for messages. */
  readonly tensors: readonly string[];
  /** Together `rows · width` elements, in order. */
  readonly runs: readonly SourceRun[];
  readonly rows: number;
  readonly width: number;
  /** Multiplies every element; a power of two. */
  readonly factor: number;
  readonly target: PackTarget;
}

/** Bytes that a job reads. */
export function jobSourceBytes(job: PackJob): number {
  return job.runs.reduce((sum, run) => sum + run.elements * (run.dtype === 'f32' ? 4 : 2), 0);
}

/**
 * Does one job.
 *
 * @param openSource  Gives a descriptor for a checkpoint file; the caller closes it.
 * @returns  What was written, with digests of the bytes as they were in memory.
 * @throws {Error} the file system's own error, or one with the code NOT_FINITE; the caller words it.
 */
export function runPackJob(job: PackJob, openSource: (file: string) => number, targetFd: number, digest: Digest): readonly PieceDigest[] {
  const write = (array: ArrayBufferView, offset: number): PieceDigest => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    writeFully(targetFd, bytes, offset);
    return { offset, byteLength: bytes.byteLength, digest: digest(bytes) };
  };
  const { target, rows, width, factor } = job;
  const [only] = job.runs;
  if (target.kind === 'dense' && factor === 1 && job.runs.length === 1 && only?.dtype === target.dtype) {
    return [write(readRun(only, openSource), target.offset)];
  }
  const weights = readFloats(job.runs, openSource);
  if (!isFinite(weights)) {
    throw Object.assign(new Error(job.tensors.join(', ')), { code: 'NOT_FINITE' });
  }
  if (factor !== 1) {
    for (let index = 0; index < weights.length; index += 1) {
      (weights[index] as number) *= factor;
    }
  }
  if (target.kind === 'dense') {
    return [write(encodeFloats(weights, target.dtype as FloatDType), target.offset)];
  }
  const blocks = Math.ceil(width / target.blockSize);
  const values = new Uint8Array((rows * blocks * target.blockSize * target.bits) / 8);
  const scales = new Float32Array(rows * blocks);
  const pieces: PieceDigest[] = [];
  if (target.zeroPointsOffset !== undefined) {
    const zeroPoints = new Uint8Array(rows * Math.ceil(blocks / 2));
    quantizeRows4WithZeroPoints(weights, rows, width, target.blockSize, values, scales, zeroPoints);
    pieces.push(write(zeroPoints, target.zeroPointsOffset));
  } else {
    const quantize = target.bits === 4 ? quantizeRows4 : quantizeRows8;
    quantize(weights, rows, width, target.blockSize, values, scales);
  }
  return [...pieces, write(values, target.valuesOffset), write(encodeFloats(scales, target.scaleDtype), target.scalesOffset)];
}

/** Whether all are numbers. A sum is none as soon as one of its terms is; four of them keep the processor busy. */
function isFinite(values: Float32Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = values.length - (values.length % 4);
  for (let index = 0; index < whole; index += 4) {
    a += values[index] as number;
    b += values[index + 1] as number;
    c += values[index + 2] as number;
    d += values[index + 3] as number;
  }
  for (let index = whole; index < values.length; index += 1) {
    a += values[index] as number;
  }
  return Number.isFinite(a + b + c + d);
}

/** All runs, one after the other, as f32. */
export function readFloats(runs: readonly SourceRun[], openSource: (file: string) => number): Float32Array {
  const floats = new Float32Array(runs.reduce((sum, run) => sum + run.elements, 0));
  const bits = new Uint32Array(floats.buffer);
  let at = 0;
  for (const run of runs) {
    const bytes = readRun(run, openSource);
    if (run.dtype === 'f32') {
      floats.set(new Float32Array(bytes.buffer, bytes.byteOffset, run.elements), at);
    } else {
      const halves = new Uint16Array(bytes.buffer, bytes.byteOffset, run.elements);
      if (run.dtype === 'bf16') {
        for (let index = 0; index < run.elements; index += 1) {
          bits[at + index] = (halves[index] as number) << 16;
        }
      } else {
        const table = f16Table();
        for (let index = 0; index < run.elements; index += 1) {
          floats[at + index] = table[halves[index] as number] as number;
        }
      }
    }
    at += run.elements;
  }
  return floats;
}

let cachedF16Table: Float32Array | undefined;

/** The number for every f16 bit pattern; a look-up is several times faster than arithmetic. */
function f16Table(): Float32Array {
  cachedF16Table ??= Float32Array.from({ length: 65_536 }, (_, bits) => fromF16Bits(bits));
  return cachedF16Table;
}

function readRun(run: SourceRun, openSource: (file: string) => number): Uint8Array {
  const bytes = new Uint8Array(run.elements * (run.dtype === 'f32' ? 4 : 2));
  const fd = openSource(run.file);
  for (let done = 0; done < bytes.byteLength; ) {
    const count = readSync(fd, bytes, done, bytes.byteLength - done, run.fileOffset + done);
    if (count === 0) {
      throw Object.assign(new Error(`${run.file} ended early`), { code: 'EARLY_END' });
    }
    done += count;
  }
  return bytes;
}

function writeFully(fd: number, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.byteLength; ) {
    done += writeSync(fd, bytes, done, bytes.byteLength - done, offset + done);
  }
}
