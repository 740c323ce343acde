/** Packed weights that no load will ask for again: of a checkpoint that was replaced, or of an older layout. They are gigabytes each. */

import { closeSync, openSync, readdirSync, readSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packVersion } from './packPlan';

/** What was just packed. */
export interface FreshlyPacked {
  readonly path: string;
  /** The checkpoint's folder. */
  readonly source: string;
  readonly format: string;
}

const suffix = '.glmpack';
/** Of a header; what is looked for stands at its beginning. */
const beginningBytes = 8192;

/**
 * Removes what `fresh` takes the place of, and folders of older versions. Whatever can't be removed stays: it costs room, nothing else.
 *
 * @param folder  Of the packed files of this version, in `cacheFolder`.
 */
export function removeOutdated(cacheFolder: string, folder: string, fresh: FreshlyPacked): void {
  const replaced = `"format":${JSON.stringify(fresh.format)},"source":${JSON.stringify(fresh.source)},`;
  for (const name of namesIn(folder)) {
    const path = join(folder, name);
    if (path !== fresh.path && name.endsWith(suffix) && beginningOf(path).includes(replaced)) {
      tryRemove(path);
    }
  }
  for (let version = 1; version < packVersion; version += 1) {
    removeVersion(join(cacheFolder, `packed-v${version}`));
  }
}

/** Its packed files, then the folder if nothing else is in it. */
function removeVersion(folder: string): void {
  const names = namesIn(folder);
  if (names.length === 0) {
    return;
  }
  names.filter((name) => name.endsWith(suffix)).forEach((name) => tryRemove(join(folder, name)));
  try {
    rmdirSync(folder);
  } catch {
    // Something else lies there.
  }
}

function tryRemove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // Another process uses it, on a system that does not let go of open files.
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function beginningOf(path: string): string {
  try {
    const fd = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(beginningBytes);
      return bytes.toString('utf8', 0, readSync(fd, bytes, 0, beginningBytes, 0));
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}
