/** What can go wrong while libraries are looked up, downloaded and put in place. Each says which library or address, and the one next step. */

import { formatBytes } from '../../common/byteFormat';
import { GlmError, type NextStep } from '../../common/errors';

/** What needs no CUDA. */
export const useWebgpu: NextStep = { label: 'Use WebGPU', command: 'glm.openSettings', args: ['glm.provider'], terminal: 'Use WebGPU: --provider webgpu' };

/**
 * An address answered with an error, not at all, or with something that is no package index.
 *
 * Cause: no network, a proxy, a wrong index address. Handled by: the command, which keeps what was downloaded so far.
 */
export class DownloadError extends GlmError {
  constructor(message: string, fields: Readonly<Record<string, string | number>> = {}, cause?: unknown) {
    super('download-failed', message, { fields, cause, next: [{ label: 'Set up CUDA again', command: 'glm.setupCuda', terminal: 'Run glm setup-cuda --download again: it goes on where it stopped' }] });
  }
}

/**
 * The bytes that came are not those that the index promised.
 *
 * Cause: a broken mirror or proxy, or tampering. Handled by: the command; the file has been deleted.
 */
export class HashMismatchError extends GlmError {
  constructor(fileName: string, expected: string, actual: string) {
    super('download-hash-mismatch', `${fileName} is not what the package index describes (sha256 ${actual.slice(0, 12)}… instead of ${expected.slice(0, 12)}…). It has been deleted. Try again, or use another index.`, {
      fields: { fileName, expected, actual },
      next: [
        { label: 'Try again', command: 'glm.setupCuda', terminal: 'Run glm setup-cuda --download again' },
        { label: 'Choose another package index', command: 'glm.openSettings', args: ['glm.packageIndexUrl'], terminal: 'Name another package index with --index-url' },
      ],
    });
  }
}

/**
 * Not enough room, found before or during the download.
 *
 * Handled by: the command; what was downloaded so far is kept.
 */
export class DiskFullError extends GlmError {
  constructor(folder: string, neededBytes: number | undefined, freeBytes: number | undefined) {
    const need = neededBytes === undefined ? 'More room is needed' : `${formatBytes(neededBytes)} are needed`;
    const free = freeBytes === undefined ? 'the disk is full' : `${formatBytes(freeBytes)} are free`;
    super('disk-full', `${need} in ${folder}, but ${free}. Free some space there.`, {
      fields: { folder, neededBytes, freeBytes },
      next: [{ label: 'Free some space, then set up CUDA again: it goes on where it stopped', terminal: 'Name another folder with --folder' }],
    });
  }
}

/**
 * A package does not hold what it should.
 *
 * Cause: a version with another layout, or an index that serves something else. Handled by: the command; nothing of it is used.
 */
export class PackageContentError extends GlmError {
  constructor(message: string, fields: Readonly<Record<string, string>> = {}) {
    super('package-content', message, { fields });
  }
}

/** Another window or terminal is doing the same. Handled by: the command, which says so. */
export class SetupBusyError extends GlmError {
  constructor(pid: number) {
    super('setup-busy', `Another process (${pid}) is setting up CUDA in the same folder. Wait until it has finished.`, { fields: { pid } });
  }
}

/** No such libraries exist for this system. Handled by: the command, which offers WebGPU. */
export class CudaUnsupportedError extends GlmError {
  constructor(platform: string, arch: string) {
    super('cuda-unsupported', `There is no CUDA 13 for ${platform}-${arch}. Use the WebGPU provider, which needs nothing installed.`, { fields: { platform, arch }, next: [useWebgpu] });
  }
}
