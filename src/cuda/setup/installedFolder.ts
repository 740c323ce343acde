/** Finished installations under our own folder. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { manifestName, parseManifest } from './manifest';

/** Folders whose manifest is valid and whose files all have the size it names, newest name last installed first. Half-made ones are not among them. */
export async function findInstalled(installRoot: string): Promise<readonly string[]> {
  const names = (await readdir(installRoot).catch(() => [])).filter((name) => !name.startsWith('.'));
  const folders = await Promise.all(
    names.map(async (name) => {
      const folder = join(installRoot, name);
      const info = await stat(join(folder, manifestName)).catch(() => undefined);
      return info !== undefined && (await isWhole(folder)) ? [{ folder, timeMs: info.mtimeMs }] : [];
    }),
  );
  return folders
    .flat()
    .sort((a, b) => b.timeMs - a.timeMs)
    .map(({ folder }) => folder);
}

export async function isWhole(folder: string): Promise<boolean> {
  const manifest = parseManifest(await readFile(join(folder, manifestName), 'utf8').catch(() => ''));
  if (manifest === undefined) {
    return false;
  }
  const sizes = await Promise.all(manifest.files.map(async ({ name, byteLength }) => (await stat(join(folder, name)).catch(() => undefined))?.size === byteLength));
  return sizes.length > 0 && sizes.every(Boolean);
}
