/**
 * File ranges to device memory: several lanes read into page-locked buffers on worker threads while earlier buffers are on their way.
 *
 * Limit: the slower of reading (page cache or disk) and the bus; the processor only starts transfers.
 */

import koffi from 'koffi';
import { closeSync, openSync, readSync } from 'node:fs';
import { GlmError, throwIfAborted } from '../common/errors';
import type { CudaContext } from './cudaContext';

export interface UploadRange {
  readonly file: string;
  readonly fileOffset: number;
  readonly byteLength: number;
  /** Device address. */
  readonly to: bigint;
}

export interface UploadOptions {
  readonly signal?: AbortSignal;
  /** Called with the bytes of each finished piece. */
  readonly onBytes?: (bytes: number) => void;
  /** Default 6; each has two buffers of 8 MiB. */
  readonly lanes?: number;
}

/**
 * A file ended early, or reading it failed.
 *
 * Cause: a checkpoint that changed or a disk that failed while loading. Handled by: the load, which frees what it took.
 */
export class UploadReadError extends GlmError {
  constructor(file: string, reason: string) {
    super('weights-read-failed', `Reading ${file} failed: ${reason}. Check that the checkpoint is complete and not being written, then load again.`, { fields: { file } });
  }
}

const pieceBytes = 8 * 1024 * 1024;

/** Copies every range; all bytes are on the device when the promise resolves. @throws {UploadReadError | CudaError | CancelledError} */
export async function uploadFileRanges(context: CudaContext, ranges: readonly UploadRange[], options: UploadOptions = {}): Promise<void> {
  const files = new OpenFiles();
  const pieces = cutIntoPieces(ranges);
  let next = 0;
  const take = (): UploadRange | undefined => pieces[next++];
  const stop = new AbortController();
  const lane = async (): Promise<void> => {
    try {
      using buffers = new LaneBuffers(context);
      for (let piece = take(); piece !== undefined; piece = take()) {
        throwIfAborted(options.signal, 'Loading the model');
        if (stop.signal.aborted) {
          return;
        }
        await buffers.send(files, piece);
        options.onBytes?.(piece.byteLength);
      }
      await buffers.settle();
    } catch (error) {
      stop.abort();
      throw error;
    }
  };
  const results = await Promise.allSettled(Array.from({ length: Math.min(options.lanes ?? 6, pieces.length) }, lane));
  files.close();
  const failure = results.find((result) => result.status === 'rejected');
  if (failure !== undefined) {
    throw failure.reason;
  }
}

/** Two page-locked buffers with a stream each: one is filled from a file while the other is copied to the device. */
class LaneBuffers implements Disposable {
  private readonly slots: readonly { readonly address: bigint; readonly stream: unknown }[];
  private turn = 0;

  constructor(private readonly context: CudaContext) {
    this.slots = [0, 1].map(() => ({ address: context.allocatePinned(pieceBytes), stream: context.createStream() }));
  }

  async send(files: OpenFiles, piece: UploadRange): Promise<void> {
    const slot = this.slots[this.turn];
    this.turn = 1 - this.turn;
    if (slot === undefined) {
      return;
    }
    await this.context.waitForStream(slot.stream);
    await files.read(piece, slot.address);
    this.context.uploadAsync(piece.to, slot.address, piece.byteLength, slot.stream);
  }

  async settle(): Promise<void> {
    for (const slot of this.slots) {
      await this.context.waitForStream(slot.stream);
    }
  }

  [Symbol.dispose](): void {
    for (const slot of this.slots) {
      this.context.waitForStreamNow(slot.stream);
      this.context.destroyStream(slot.stream);
      this.context.freePinned(slot.address);
    }
  }
}

type PositionedRead = { async: (fd: number, to: bigint, bytes: number, offset: number, done: (error: Error | null, count: number | bigint) => void) => void };

/** Files that stay open while they are read from. */
class OpenFiles {
  private readonly descriptors = new Map<string, number>();
  private readonly positionedRead: PositionedRead | undefined = tryBindPread();

  /** Reads a piece into memory at `to`, on a worker thread where the system has pread. */
  async read(piece: UploadRange, to: bigint): Promise<void> {
    const fd = this.open(piece.file);
    for (let done = 0; done < piece.byteLength; ) {
      const count = await this.readSome(fd, to + BigInt(done), piece.byteLength - done, piece.fileOffset + done);
      if (count <= 0) {
        throw new UploadReadError(piece.file, count === 0 ? `it ends before byte ${piece.fileOffset + piece.byteLength}` : 'the system refused to read');
      }
      done += count;
    }
  }

  close(): void {
    for (const fd of this.descriptors.values()) {
      closeSync(fd);
    }
    this.descriptors.clear();
  }

  private readSome(fd: number, to: bigint, bytes: number, offset: number): Promise<number> {
    const read = this.positionedRead;
    if (read !== undefined) {
      return new Promise((resolve, reject) => {
        read.async(fd, to, bytes, offset, (error, count) => (error === null ? resolve(Number(count)) : reject(error)));
      });
    }
    const part = Buffer.alloc(bytes);
    const count = readSync(fd, part, 0, bytes, offset);
    koffi.encode(to, koffi.array('uint8_t', count), part.subarray(0, count));
    return Promise.resolve(count);
  }

  private open(file: string): number {
    let fd = this.descriptors.get(file);
    if (fd === undefined) {
      try {
        fd = openSync(file, 'r');
      } catch (error) {
        throw new UploadReadError(file, error instanceof Error ? error.message : String(error));
      }
      this.descriptors.set(file, fd);
    }
    return fd;
  }
}

/** Held for good: koffi unloads a library whose handle is collected. */
let systemLibrary: ReturnType<typeof koffi.load> | undefined;

/** The C library's pread; undefined where there is none (Windows), so that the bytes take a detour through the JavaScript heap. */
function tryBindPread(): PositionedRead | undefined {
  if (process.platform === 'win32') {
    return undefined;
  }
  try {
    systemLibrary ??= koffi.load(process.platform === 'darwin' ? 'libSystem.dylib' : 'libc.so.6');
    return systemLibrary.func('int64_t pread(int fd, uint64_t to, size_t bytes, int64_t offset)') as unknown as PositionedRead;
  } catch {
    return undefined;
  }
}

function cutIntoPieces(ranges: readonly UploadRange[]): readonly UploadRange[] {
  return ranges.flatMap((range) =>
    Array.from({ length: Math.ceil(range.byteLength / pieceBytes) }, (_, index) => {
      const at = index * pieceBytes;
      return { file: range.file, fileOffset: range.fileOffset + at, byteLength: Math.min(pieceBytes, range.byteLength - at), to: range.to + BigInt(at) };
    }),
  );
}
