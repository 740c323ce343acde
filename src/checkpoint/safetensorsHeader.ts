/**
 * Reads and checks the header of one safetensors file; tensor bytes stay on disk.
 *
 * The file is a little-endian u64 N, N bytes of JSON, then data. Everything in it is a claim: N against the file's size before
 * anything is allocated, then names, dtypes, shapes and offsets against each other.
 *
 * @see the Format section of the huggingface/safetensors README
 */

import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { formatBytes } from '../common/byteFormat';
import { dtypeBytes, type DType, type TensorInfo } from '../common/dtype';
import { throwIfAborted } from '../common/errors';
import { errorCodeOf, isAbsent, lfsPointer, lfsPointerStart } from './boundedFile';
import { CheckpointError, downloadAgain, type CheckpointReason } from './checkpointError';
import { parseStrictJson, StrictJsonError } from './strictJson';

/** The limit of the reference implementation. */
export const maxHeaderBytes = 100_000_000;
/** Tensor entries nest three deep: file, entry, shape. */
const maxHeaderDepth = 4;
const maxRank = 16;

const dtypeOfName: Readonly<Record<string, DType>> = { F64: 'f64', F32: 'f32', F16: 'f16', BF16: 'bf16', I64: 'i64', I32: 'i32', I16: 'i16', I8: 'i8', U8: 'u8', BOOL: 'bool' };

export interface SafetensorsHeader {
  /** Ordered by `fileOffset`. */
  readonly tensors: readonly TensorInfo[];
  /** Size of the whole file. */
  readonly fileBytes: number;
  readonly modifiedMs: number;
  /** SHA-256 of the header's bytes, lower-case hex. */
  readonly headerHash: string;
}

/**
 * @returns  Tensors ordered by `fileOffset`, which counts from the start of the file; `byteLength` is the product of `shape` times the dtype's size.
 * @throws {CheckpointError} `shard-missing` | `unreadable` | `lfs-pointer` | `truncated` | `header-too-large` | `header-not-json` | `header-too-deep` | `duplicate-name`
 *   | `bad-entry` | `unknown-dtype` | `bad-shape` | `bad-offsets` | `gap-or-overlap` | `size-mismatch`
 * @throws {CancelledError} when `signal` aborts.
 */
export async function readSafetensorsHeader(path: string, signal?: AbortSignal): Promise<SafetensorsHeader> {
  throwIfAborted(signal, 'Reading the checkpoint');
  const { headerBytes, fileBytes, modifiedMs } = await readHeaderBytes(path);
  throwIfAborted(signal, 'Reading the checkpoint');
  const tensors = parseSafetensorsHeader(headerBytes, fileBytes, path);
  return { tensors, fileBytes, modifiedMs, headerHash: createHash('sha256').update(headerBytes).digest('hex') };
}

async function readHeaderBytes(path: string): Promise<{ headerBytes: Uint8Array; fileBytes: number; modifiedMs: number }> {
  let file;
  try {
    // Without blocking, so that a named pipe in place of a file is opened, seen and refused instead of waited for.
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  } catch (error) {
    if (isAbsent(error)) {
      throw fail('shard-missing', path, 'is not there', 'It may not have been downloaded, or the link to it is broken.', {}, error);
    }
    throw fail('unreadable', path, `could not be opened (${errorCodeOf(error) ?? String(error)})`, "Check the file's permissions.", {}, error);
  }
  try {
    const info = await file.stat();
    if (!info.isFile()) {
      throw fail('unreadable', path, 'is not a file', 'Replace it with the weight file of that name.');
    }
    const fileBytes = info.size;
    if (fileBytes < 10) {
      throw fail('truncated', path, `has ${fileBytes} bytes`, 'The smallest possible safetensors file has 10: the file is cut off or empty.', { fileBytes });
    }
    const prefix = Buffer.alloc(8);
    await file.read(prefix, 0, 8, 0);
    if (lfsPointerStart.startsWith(prefix.toString('latin1'))) {
      throw lfsPointer(path);
    }
    const claimed = prefix.readBigUInt64LE(0);
    if (claimed > BigInt(maxHeaderBytes)) {
      throw fail('header-too-large', path, `claims a header of ${claimed} bytes`, `The format allows ${maxHeaderBytes}: the file is damaged or no safetensors file.`, { headerBytes: claimed.toString(), fileBytes });
    }
    const length = Number(claimed);
    if (8 + length > fileBytes) {
      throw fail('truncated', path, `claims a header of ${length} bytes but has only ${fileBytes} in all`, 'The file is cut off or no safetensors file.', { headerBytes: length, fileBytes });
    }
    const headerBytes = new Uint8Array(length);
    let filled = 0;
    while (filled < length) {
      const { bytesRead } = await file.read(headerBytes, filled, length - filled, 8 + filled);
      if (bytesRead === 0) {
        throw fail('truncated', path, `ended after ${filled} of ${length} header bytes`, 'The file shrank while it was read.', { fileBytes });
      }
      filled += bytesRead;
    }
    return { headerBytes, fileBytes, modifiedMs: info.mtimeMs };
  } finally {
    await file.close();
  }
}

/** The pure half: checks a header's bytes against the size of the file they came from. */
export function parseSafetensorsHeader(headerBytes: Uint8Array, fileBytes: number, path: string): readonly TensorInfo[] {
  const header = parseJson(headerBytes, path);
  const dataStart = 8 + headerBytes.length;
  const tensors: TensorInfo[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isRecord(entry) || Object.values(entry).some((value) => typeof value !== 'string')) {
        throw fail('bad-entry', path, 'has a __metadata__ that is not a map of texts', 'The file was written by a faulty program.');
      }
      continue;
    }
    tensors.push(checkEntry(name, entry, dataStart, path));
  }
  tensors.sort((a, b) => a.fileOffset - b.fileOffset || a.byteLength - b.byteLength);
  let end = dataStart;
  for (const tensor of tensors) {
    if (tensor.fileOffset !== end) {
      const kind = tensor.fileOffset > end ? `leaves ${tensor.fileOffset - end} unnamed bytes before` : `lets another tensor overlap`;
      throw fail('gap-or-overlap', path, `${kind} ${quote(tensor.name)}`, 'Tensors must follow each other without gaps; the header is wrong.', { tensor: tensor.name, expectedOffset: end, fileOffset: tensor.fileOffset });
    }
    end = tensor.fileOffset + tensor.byteLength;
  }
  if (end > fileBytes) {
    throw fail('truncated', path, `has ${formatBytes(fileBytes)} (${fileBytes} bytes), but its header describes ${end} bytes`, `${formatBytes(end - fileBytes)} are missing at the end: the download or copy was cut off.`, { fileBytes, describedBytes: end });
  }
  if (end < fileBytes) {
    throw fail('size-mismatch', path, `has ${fileBytes} bytes, but its header describes only ${end}`, `${fileBytes - end} bytes at the end belong to no tensor.`, { fileBytes, describedBytes: end });
  }
  return tensors;
}

function parseJson(headerBytes: Uint8Array, path: string): Readonly<Record<string, unknown>> {
  let header: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(headerBytes);
    if (!text.startsWith('{')) {
      throw new StrictJsonError('syntax', 'it does not begin with "{"', 0);
    }
    header = parseStrictJson(text, maxHeaderDepth);
  } catch (error) {
    if (error instanceof StrictJsonError && error.kind === 'too-deep') {
      throw fail('header-too-deep', path, `has a header whose ${error.message}`, 'A safetensors header never nests that deep.', {}, error);
    }
    if (error instanceof StrictJsonError && error.kind === 'duplicate-key') {
      throw fail('duplicate-name', path, `has a header where ${error.message}`, 'Two readers could see two different tensors under one name.', {}, error);
    }
    throw fail('header-not-json', path, `has a header that is not valid JSON (${error instanceof Error ? error.message : String(error)})`, 'The file is damaged or no safetensors file.', {}, error);
  }
  if (!isRecord(header)) {
    throw fail('header-not-json', path, 'has a header that is not a JSON object', 'The file is damaged or no safetensors file.');
  }
  return header;
}

/** Types of quantised releases: 4, 6 and 8 bits of floating point with their scales, packed whole numbers. */
const foreignDtype = /^(F[468]_|F4$|U(16|32|64)$|C64$)/;

function checkEntry(name: string, entry: unknown, dataStart: number, path: string): TensorInfo {
  const tensor = quote(name);
  if (!isRecord(entry)) {
    throw fail('bad-entry', path, `describes ${tensor} by something that is not an object`, 'The header is wrong.', { tensor: name });
  }
  const dtype = typeof entry.dtype === 'string' && Object.hasOwn(dtypeOfName, entry.dtype) ? dtypeOfName[entry.dtype] : undefined;
  if (dtype === undefined) {
    const stored = JSON.stringify(entry.dtype) ?? 'nothing';
    if (typeof entry.dtype === 'string' && foreignDtype.test(entry.dtype)) {
      throw new CheckpointError('unknown-dtype', `${basename(path)} stores ${tensor} as ${stored}: it is of a quantised release. Weights are read as BF16, F16 or F32 and quantised here where that is wanted: get the release of the model in one of those.`, {
        fields: { path, tensor: name, dtype: entry.dtype },
        next: [{ label: 'Get the bf16 or f16 release of the model' }],
      });
    }
    throw fail('unknown-dtype', path, `stores ${tensor} as ${stored}`, 'No such type is known.', { tensor: name, dtype: String(entry.dtype) });
  }
  const shape = entry.shape;
  if (!Array.isArray(shape) || shape.length > maxRank || !shape.every((size) => Number.isSafeInteger(size) && (size as number) >= 0)) {
    throw fail('bad-shape', path, `gives ${tensor} the shape ${JSON.stringify(shape)?.slice(0, 200) ?? 'nothing'}`, `A shape is a list of at most ${maxRank} whole numbers from 0 up.`, { tensor: name });
  }
  const byteLength = (shape as number[]).reduce((product, size) => product * size, dtypeBytes[dtype]);
  if (!Number.isSafeInteger(byteLength)) {
    throw fail('bad-shape', path, `gives ${tensor} the shape [${shape.join(', ')}], which is more than 2^53 bytes`, 'No file can hold it; the header is wrong.', { tensor: name });
  }
  const offsets = entry.data_offsets;
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every((offset) => Number.isSafeInteger(offset) && (offset as number) >= 0)) {
    throw fail('bad-offsets', path, `gives ${tensor} the data_offsets ${JSON.stringify(offsets)?.slice(0, 200) ?? 'nothing'}`, 'They must be two whole numbers from 0 up.', { tensor: name });
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin) {
    throw fail('bad-offsets', path, `ends ${tensor} at ${end}, before it begins at ${begin}`, 'The header is wrong.', { tensor: name });
  }
  if (end - begin !== byteLength) {
    throw fail('size-mismatch', path, `gives ${tensor} ${end - begin} bytes, but ${String(entry.dtype)}[${shape.join(', ')}] takes ${byteLength}`, 'Offsets and shape contradict each other; the header is wrong.', { tensor: name, byteLength: end - begin, shapeBytes: byteLength });
  }
  return { name, dtype, shape: shape as number[], file: path, fileOffset: dataStart + begin, byteLength };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Names come from the file: quoted, and cut so that a message stays a message. */
function quote(name: string): string {
  return JSON.stringify(name.length > 120 ? `${name.slice(0, 120)}…` : name);
}

function fail(reason: CheckpointReason, path: string, what: string, why: string, fields: Readonly<Record<string, string | number>> = {}, cause?: unknown): CheckpointError {
  return new CheckpointError(reason, `${basename(path)} ${what}. ${why} Download or copy ${path} again.`, { fields: { path, ...fields }, next: downloadAgain(undefined), cause });
}
