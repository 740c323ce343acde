/**
 * Digests of the pieces that a packed file was written in, so that a flipped bit on the disk or in memory is noticed.
 *
 * They stand behind the tensors: `GLMSUMS1`, a little-endian u32 N, four zeros, N times (u64 offset, u64 byteLength, u64 XXH64 of the bytes),
 * and the XXH64 of all that.
 */

import xxhash from 'xxhash-wasm';

/** XXH64 of some bytes. */
export type Digest = (bytes: Uint8Array) => bigint;

/** A run of bytes of the file that was written at once. */
export interface PieceDigest {
  /** From the start of the file. */
  readonly offset: number;
  readonly byteLength: number;
  readonly digest: bigint;
}

const magic = new TextEncoder().encode('GLMSUMS1');
const headBytes = 16;
const entryBytes = 24;
const tailBytes = 8;

let loading: Promise<Digest> | undefined;

/** The function is WebAssembly and has to be made ready once. */
export function loadDigest(): Promise<Digest> {
  loading ??= xxhash().then(({ h64Raw }) => (bytes) => h64Raw(bytes));
  return loading;
}

/** @param pieces  In any order; the table holds them by offset, so that they can be read from front to back. */
export function writeDigestTable(pieces: readonly PieceDigest[], digest: Digest): Uint8Array {
  const bytes = new Uint8Array(headBytes + pieces.length * entryBytes + tailBytes);
  const view = new DataView(bytes.buffer);
  bytes.set(magic, 0);
  view.setUint32(magic.length, pieces.length, true);
  [...pieces]
    .sort((a, b) => a.offset - b.offset)
    .forEach((piece, index) => {
      const at = headBytes + index * entryBytes;
      view.setBigUint64(at, BigInt(piece.offset), true);
      view.setBigUint64(at + 8, BigInt(piece.byteLength), true);
      view.setBigUint64(at + 16, piece.digest, true);
    });
  const end = bytes.byteLength - tailBytes;
  view.setBigUint64(end, digest(bytes.subarray(0, end)), true);
  return bytes;
}

/** The pieces of a table; undefined when it is none or has been changed. */
export function tryReadDigestTable(bytes: Uint8Array, digest: Digest): readonly PieceDigest[] | undefined {
  const end = bytes.byteLength - tailBytes;
  if (!isDigestTableLength(bytes.byteLength) || !magic.every((byte, index) => bytes[index] === byte)) {
    return undefined;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = view.getUint32(magic.length, true);
  if (headBytes + count * entryBytes !== end || view.getBigUint64(end, true) !== digest(bytes.subarray(0, end))) {
    return undefined;
  }
  return Array.from({ length: count }, (_, index) => {
    const at = headBytes + index * entryBytes;
    return { offset: Number(view.getBigUint64(at, true)), byteLength: Number(view.getBigUint64(at + 8, true)), digest: view.getBigUint64(at + 16, true) };
  });
}

/** Whether a table can have this length. */
export function isDigestTableLength(byteLength: number): boolean {
  return byteLength > headBytes + tailBytes && (byteLength - headBytes - tailBytes) % entryBytes === 0;
}
