/** Why weights could not be packed. */

import { formatBytes } from '../../../common/byteFormat';
import { GlmError } from '../../../common/errors';

/**
 * The disk has not enough room for the packed weights.
 *
 * Cause: a small or full disk. Handled by: the load request; nothing half-written stays behind.
 */
export class PackSpaceError extends GlmError {
  constructor(folder: string, neededBytes: number, freeBytes: number | undefined) {
    super(
      'pack-disk-full',
      `Packing the weights needs ${formatBytes(neededBytes)} in ${folder}, where ${formatBytes(freeBytes)} are free. Free some space, or choose another folder in the setting glm.cacheFolder (command line: --cache-folder).`,
      { fields: { folder, neededBytes, freeBytes }, next: [{ label: 'Choose a cache folder', command: 'workbench.action.openSettings', args: ['glm.cacheFolder'] }] },
    );
  }
}

/**
 * The cache folder cannot be written.
 *
 * Cause: a read-only file system or missing permission. Handled by: the load request.
 */
export class PackFolderError extends GlmError {
  constructor(folder: string, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super('pack-folder-unwritable', `Packed weights cannot be written to ${folder}: ${reason}. Make the folder writable, or choose another one in the setting glm.cacheFolder (command line: --cache-folder).`, {
      fields: { folder, reason },
      next: [{ label: 'Choose a cache folder', command: 'workbench.action.openSettings', args: ['glm.cacheFolder'] }],
      cause,
    });
  }
}

/**
 * A checkpoint file could not be read to its end.
 *
 * Cause: an incomplete download, a file changed meanwhile, a failing disk. Handled by: the load request.
 */
export class PackSourceError extends GlmError {
  constructor(reason: string, cause?: unknown) {
    super('pack-source-unreadable', `Reading the checkpoint failed while packing: ${reason}. Check that the download is complete and the disk is healthy, then load again.`, { fields: { reason }, cause });
  }
}

/**
 * Packed weights are not the bytes that were written.
 *
 * Cause: a failing disk or memory, or another program that wrote into the file. Handled by: the load, which packs again once; a second time it is shown.
 */
export class PackDamagedError extends GlmError {
  /** @param offset  Where the first damaged piece begins. */
  constructor(path: string, offset: number) {
    super('pack-damaged', `The packed weights in ${path} are damaged from byte ${offset.toLocaleString('en-US')} on: they are not what was written. The disk or the memory may be failing; check both, or choose another folder in the setting glm.cacheFolder (command line: --cache-folder).`, {
      fields: { path, offset },
      next: [{ label: 'Choose a cache folder', command: 'glm.openSettings', args: ['glm.cacheFolder'] }],
    });
  }
}

/**
 * Packed weights, or the folder that they were being written to, are no longer there.
 *
 * Cause: somebody emptied the cache folder in the middle of a load, as they may at any time. Handled by: the load, which packs again once; a second time it is shown.
 */
export class PackGoneError extends GlmError {
  constructor(path: string, cause: unknown) {
    super('pack-gone', `The packed weights in ${path} were removed while the model was being loaded.`, {
      fields: { path },
      next: [{ label: 'Load the model again', command: 'glm.reloadModel', terminal: 'Run it again' }],
      cause,
    });
  }
}

/**
 * A weight is NaN or infinite.
 *
 * Cause: a checkpoint saved from a training run that diverged, or a damaged file. Handled by: the load request; quantised, such a value would become an ordinary number without a word.
 */
export class WeightsNotFiniteError extends GlmError {
  constructor(tensors: string) {
    super('weights-not-finite', `The checkpoint holds values that are no numbers (NaN or infinity) in ${tensors}. Its answers could not be trusted: download it again, or take another one if it was saved like this.`, { fields: { tensors } });
  }
}

const spaceCodes: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];
const permissionCodes: readonly unknown[] = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'EEXIST'];

/** A file system error as one of the errors above; what is none of them comes back as it is. */
export function wordPackError(error: unknown, folder: string, neededBytes: number, freeBytes: number | undefined): unknown {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined;
  if (spaceCodes.includes(code)) {
    return new PackSpaceError(folder, neededBytes, freeBytes);
  }
  if (permissionCodes.includes(code)) {
    return new PackFolderError(folder, error);
  }
  if (code === 'NOT_FINITE') {
    return new WeightsNotFiniteError((error as Error).message);
  }
  const path = (error as { path?: unknown } | undefined)?.path;
  if (code === 'ENOENT' && typeof path === 'string' && path.startsWith(folder)) {
    return new PackGoneError(path, error);
  }
  if (code === 'EARLY_END' || code === 'EIO' || code === 'ENOENT') {
    return new PackSourceError((error as Error).message, error);
  }
  return error;
}
