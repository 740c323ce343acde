/**
 * The file of packed weights: `GLMPACK1`, a little-endian u32 N, N bytes of JSON, zeros up to a page, the tensors, then digests of all their bytes.
 *
 * A file exists under its final name only when it is complete: it is written under another name, synced and renamed.
 */

import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, realpathSync, statSync } from 'node:fs';
import type { GlmConfig } from '../../../model/config';
import type { StoredPlace } from '../../../model/storedTensors';
import { packVersion, type PackPlan } from './packPlan';
import { isDigestTableLength } from './pieceDigest';

const magic = 'GLMPACK1';
const pageBytes = 4096;

/** A complete file of packed weights. */
export interface PackedWeights {
  readonly path: string;
  /** Tensor bytes, without header and padding. */
  readonly weightBytes: number;
  /** Where the tensors end and their digests begin; see pieceDigest.ts. */
  readonly tableOffset: number;
  /** Written by this process just now; another one may have been damaged since. */
  readonly isNew: boolean;
  /** Where a stored tensor lies, from the start of the file. */
  place(storedName: string): StoredPlace;
}

/** Bytes to write at 0, and where the data starts. */
export interface PackedHeader {
  readonly bytes: Uint8Array;
  readonly dataOffset: number;
}

/** The header of a plan's file. @param source  The checkpoint's folder. */
export function packedHeader(plan: PackPlan, identity: string, source: string): PackedHeader {
  const tensors = plan.stored.map((tensor) => [tensor.name, tensor.dtype, tensor.shape, plan.places.get(tensor.name)?.offset]);
  const json = new TextEncoder().encode(JSON.stringify({ version: packVersion, format: plan.format, source, identity, dataBytes: plan.dataBytes, tensors }));
  const dataOffset = Math.ceil((magic.length + 4 + json.byteLength) / pageBytes) * pageBytes;
  const bytes = new Uint8Array(dataOffset);
  bytes.set(new TextEncoder().encode(magic), 0);
  new DataView(bytes.buffer).setUint32(magic.length, json.byteLength, true);
  bytes.set(json, magic.length + 4);
  return { bytes, dataOffset };
}

/** The file at a path when it is complete and holds exactly this plan for this checkpoint; undefined otherwise, whatever the reason. Its tensors are not looked at. */
export function tryOpenPacked(path: string, plan: PackPlan, header: PackedHeader): PackedWeights | undefined {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const found = new Uint8Array(header.bytes.byteLength);
    const isSame = readSync(fd, found, 0, found.byteLength, 0) === found.byteLength && Buffer.compare(found, header.bytes) === 0;
    return isSame && isDigestTableLength(statSync(path).size - header.dataOffset - plan.dataBytes) ? describePacked(path, plan, header.dataOffset, false) : undefined;
  } finally {
    closeSync(fd);
  }
}

export function describePacked(path: string, plan: PackPlan, dataOffset: number, isNew: boolean): PackedWeights {
  return {
    path,
    weightBytes: plan.stored.reduce((sum, tensor) => sum + tensor.byteLength, 0),
    tableOffset: dataOffset + plan.dataBytes,
    isNew,
    place: (storedName) => {
      const place = plan.places.get(storedName);
      if (place === undefined) {
        throw new RangeError(`${storedName} is not in ${path}`);
      }
      return { offset: dataOffset + place.offset, byteLength: place.byteLength };
    },
  };
}

/**
 * What a checkpoint is, as far as packing is concerned: its files' real paths, sizes and times, and the configuration that names its weights.
 * The time of the last change counts too: tools that unpack or copy files set the other one to what it was elsewhere.
 */
export function checkpointIdentity(config: GlmConfig, files: readonly string[]): string {
  const parts = files.map((file) => {
    const path = realpathSync(file);
    const { size, mtimeMs, ctimeMs } = statSync(path);
    return [path, size, mtimeMs, ctimeMs];
  });
  return createHash('sha256').update(JSON.stringify([config, parts])).digest('hex').slice(0, 32);
}
