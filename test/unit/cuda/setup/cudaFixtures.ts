/** Stand-ins made in memory: ELF libraries with a SONAME, wheels (zip archives), and a package index on 127.0.0.1 that can misbehave. */

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { onTestFinished } from 'vitest';

export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'setup-cuda-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function put(path: string, content: Buffer | string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** The least of an ELF file that names itself: header, one load and one dynamic segment, a string table; then padding. */
export function elfLibrary(soname: string | undefined, options: { readonly machine?: number; readonly padding?: number } = {}): Buffer {
  const strings = Buffer.from(`\0${soname ?? ''}\0`);
  const dynamicAt = 64 + 2 * 56;
  const stringsAt = dynamicAt + 3 * 16;
  const address = 0x10000n;
  const file = Buffer.alloc(stringsAt + strings.length + (options.padding ?? 0));
  file.write('\x7fELF\x02\x01\x01', 0, 'latin1');
  file.writeUInt16LE(3, 16);
  file.writeUInt16LE(options.machine ?? 62, 18);
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(2, 56);
  const segment = (at: number, type: number, offset: number, bytes: number): void => {
    file.writeUInt32LE(type, at);
    file.writeBigUInt64LE(BigInt(offset), at + 8);
    file.writeBigUInt64LE(address + BigInt(offset), at + 16);
    file.writeBigUInt64LE(BigInt(bytes), at + 32);
  };
  segment(64, 1, 0, file.length);
  segment(120, 2, dynamicAt, 3 * 16);
  const entries: readonly (readonly [bigint, bigint])[] = [[5n, address + BigInt(stringsAt)], ...(soname === undefined ? [] : [[14n, 1n] as const]), [0n, 0n]];
  entries.forEach(([tag, value], index) => {
    file.writeBigUInt64LE(tag, dynamicAt + index * 16);
    file.writeBigUInt64LE(value, dynamicAt + index * 16 + 8);
  });
  strings.copy(file, stringsAt);
  return file;
}

/** A zip archive. `claim` writes another length into the directory than the content has. */
export function zipArchive(entries: Readonly<Record<string, Buffer>>, claim: Readonly<Record<string, number>> = {}): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const packed = deflateRawSync(content);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(8, 4);
    fields.writeUInt32LE(crc32Of(content), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(claim[name] ?? content.length, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), fields, Buffer.from(name), packed]);
    const extra = Buffer.alloc(14);
    extra.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, extra, Buffer.from(name)]));
    parts.push(local);
    offset += local.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(listing.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, listing, end]);
}

/** node:zlib has crc32 from 22.2 on; older ones get the textbook loop. */
function crc32Of(content: Buffer): number {
  if (typeof crc32 === 'function') {
    return crc32(content);
  }
  let crc = 0xffffffff;
  for (const byte of content) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export const sha256 = (content: Buffer): string => createHash('sha256').update(content).digest('hex');

export interface TestServer {
  readonly url: string;
  /** Requests so far, as `path range`. */
  readonly requests: string[];
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Serves on 127.0.0.1; paths that `answers` lacks give 404. */
export async function startServer(answers: Readonly<Record<string, Answer>>): Promise<TestServer> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    requests.push(`${request.url} ${request.headers.range ?? ''}`.trim());
    const answer = answers[request.url ?? ''];
    if (answer === undefined) {
      response.writeHead(404).end();
    } else {
      answer(request, response);
    }
  });
  server.on('connection', (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    sockets.forEach((socket) => socket.destroy());
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** Serves content with ranges, as package servers do. With `cutAfter` the first connections break after so many bytes each. */
export function serveFile(content: Buffer, options: { readonly cutAfter?: readonly number[]; readonly ignoreRange?: boolean } = {}): Answer {
  const cuts = [...(options.cutAfter ?? [])];
  return (request, response) => {
    const start = options.ignoreRange === true ? 0 : Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (start >= content.length) {
      response.writeHead(416).end();
      return;
    }
    const rest = content.subarray(start);
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': rest.length, ...(start > 0 ? { 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` } : {}) });
    const cut = cuts.shift();
    if (cut === undefined) {
      response.end(rest);
    } else {
      response.write(rest.subarray(0, cut), () => setImmediate(() => response.destroy()));
    }
  };
}
