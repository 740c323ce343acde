/** Takes the wanted files out of a wheel (a zip archive) into one flat folder, so that the libraries find each other beside themselves. */

import { createWriteStream } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { CancelledError, throwIfAborted } from '../../common/errors';
import { DiskFullError, PackageContentError } from './setupErrors';

export interface UnpackedFile {
  readonly name: string;
  readonly byteLength: number;
}

/** No library of the kind comes near; an archive that claims more is not unpacked. */
const mostFileBytes = 4 * 2 ** 30;

/**
 * Unpacks the entries whose name without folders matches `keep`. Nothing of an entry's path is used, so none can lead out of `into`.
 *
 * @throws {PackageContentError} when none matches, when two have one name, or when the archive is broken.
 * @throws {DiskFullError} @throws {CancelledError}
 */
export async function unpackWheel(path: string, keep: RegExp, into: string, onBytes?: (bytes: number) => void, signal?: AbortSignal): Promise<readonly UnpackedFile[]> {
  const wheel = basename(path);
  let zip: ZipFile;
  try {
    zip = await openPromise(path, { lazyEntries: true });
  } catch (error) {
    throw new PackageContentError(`${wheel} is no readable archive: ${(error as Error).message}.`, { wheel });
  }
  const files: UnpackedFile[] = [];
  try {
    for await (const entry of zip.eachEntry()) {
      throwIfAborted(signal, 'Unpacking');
      const name = basename(entry.fileName);
      if (entry.fileName.endsWith('/') || !keep.test(name)) {
        continue;
      }
      if (files.some((file) => file.name === name)) {
        throw new PackageContentError(`${wheel} holds ${name} twice.`, { wheel, name });
      }
      if (entry.uncompressedSize > mostFileBytes) {
        throw new PackageContentError(`${wheel} claims ${entry.uncompressedSize} bytes for ${name}.`, { wheel, name });
      }
      await unpackEntry(zip, entry, join(into, name), signal);
      files.push({ name, byteLength: entry.uncompressedSize });
      onBytes?.(entry.uncompressedSize);
    }
  } catch (error) {
    throw describeFailure(error, wheel, into, signal);
  } finally {
    zip.close();
  }
  if (files.length === 0) {
    throw new PackageContentError(`${wheel} holds none of the expected libraries.`, { wheel });
  }
  return files;
}

async function unpackEntry(zip: ZipFile, entry: Entry, to: string, signal: AbortSignal | undefined): Promise<void> {
  // yauzl checks that an entry is exactly as long as the archive says.
  const content = await zip.openReadStreamPromise(entry);
  await pipeline(content, createWriteStream(to, { flags: 'wx', flush: true } as Parameters<typeof createWriteStream>[1]), { signal });
}

function describeFailure(error: unknown, wheel: string, into: string, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) {
    return new CancelledError('Unpacking');
  }
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOSPC') {
    return new DiskFullError(into, undefined, undefined);
  }
  return error instanceof PackageContentError || (code?.startsWith('E') ?? false) ? error : new PackageContentError(`${wheel} cannot be unpacked: ${message}.`, { wheel });
}
