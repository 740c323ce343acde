/** The few facts of an ELF shared library that tell whether the loader will take it: class, machine, SONAME. */

import { open, type FileHandle } from 'node:fs/promises';

export interface ElfFacts {
  /** Node's name for the machine; undefined for others. */
  readonly arch: 'x64' | 'arm64' | undefined;
  readonly soname?: string;
}

const machines: Readonly<Record<number, 'x64' | 'arm64'>> = { 62: 'x64', 183: 'arm64' };
const typeLoad = 1;
const typeDynamic = 2;
const tagStringTable = 5n;
const tagSoname = 14n;
/** No real library comes near; a header that claims more is not believed. */
const mostProgramHeaders = 256;
const mostDynamicBytes = 65_536;
const mostNameBytes = 256;

/** @returns undefined for a file that is no 64-bit little-endian ELF file, or whose headers contradict themselves. */
export async function readElfFacts(path: string): Promise<ElfFacts | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const header = await readAt(file, 0, 64);
    if (header === undefined || header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) {
      return undefined;
    }
    const arch = machines[header.readUInt16LE(18)];
    const count = header.readUInt16LE(56);
    const entryBytes = header.readUInt16LE(54);
    const table = entryBytes === 56 && count <= mostProgramHeaders ? await readAt(file, Number(header.readBigUInt64LE(32)), count * entryBytes) : undefined;
    if (table === undefined) {
      return undefined;
    }
    const segments = Array.from({ length: count }, (_, index) => readSegment(table.subarray(index * entryBytes)));
    const soname = await readSoname(file, segments);
    return { arch, ...(soname === undefined ? {} : { soname }) };
  } finally {
    await file.close();
  }
}

interface Segment {
  readonly type: number;
  readonly offset: bigint;
  readonly address: bigint;
  readonly bytes: bigint;
}

const readSegment = (entry: Buffer): Segment => ({ type: entry.readUInt32LE(0), offset: entry.readBigUInt64LE(8), address: entry.readBigUInt64LE(16), bytes: entry.readBigUInt64LE(32) });

async function readSoname(file: FileHandle, segments: readonly Segment[]): Promise<string | undefined> {
  const dynamic = segments.find((segment) => segment.type === typeDynamic);
  const entries = dynamic === undefined || dynamic.bytes > mostDynamicBytes ? undefined : await readAt(file, Number(dynamic.offset), Number(dynamic.bytes));
  if (entries === undefined) {
    return undefined;
  }
  const tags = new Map<bigint, bigint>();
  for (let at = 0; at + 16 <= entries.length; at += 16) {
    const tag = entries.readBigUInt64LE(at);
    if (tag === 0n) {
      break;
    }
    tags.set(tag, entries.readBigUInt64LE(at + 8));
  }
  const strings = tags.get(tagStringTable);
  const nameOffset = tags.get(tagSoname);
  if (strings === undefined || nameOffset === undefined) {
    return undefined;
  }
  // The string table is given by its address in memory; the segment that holds it says where that is in the file.
  const holder = segments.find((segment) => segment.type === typeLoad && segment.address <= strings && strings < segment.address + segment.bytes);
  const name = holder === undefined ? undefined : await readAt(file, Number(strings - holder.address + holder.offset + nameOffset), mostNameBytes, true);
  const end = name?.indexOf(0) ?? -1;
  return name === undefined || end <= 0 ? undefined : name.toString('utf8', 0, end);
}

/** Exactly `bytes` bytes, or with `mayBeShort` what there is; undefined beyond the end of the file. */
async function readAt(file: FileHandle, position: number, bytes: number, mayBeShort = false): Promise<Buffer | undefined> {
  if (!Number.isSafeInteger(position) || position < 0) {
    return undefined;
  }
  const buffer = Buffer.alloc(bytes);
  const { bytesRead } = await file.read(buffer, 0, bytes, position);
  return bytesRead === bytes ? buffer : mayBeShort && bytesRead > 0 ? buffer.subarray(0, bytesRead) : undefined;
}
