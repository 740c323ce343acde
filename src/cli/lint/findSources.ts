/** Which files `glm lint` looks at. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from '../command';

/** Folders with other people's code, caches and builds. */
const skippedFolders = new Set(['node_modules', '__pycache__', 'site-packages', 'venv', 'env', 'build', 'dist']);
const sourceFile = /\.(py|pyw|ipynb)$/i;

/**
 * Python files and notebooks under the given paths, in order, each once. Files named directly are taken whatever they are called.
 *
 * @param exclude  Folder or file names, or path endings, that are left out while walking.
 * @throws {UsageError} for a path that does not exist.
 */
export async function findSources(paths: readonly string[], exclude: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    const info = await stat(path).catch(() => {
      throw new UsageError(`${path} does not exist.`);
    });
    if (!info.isDirectory()) {
      found.add(path);
      continue;
    }
    for (const file of await walk(path, exclude, signal)) {
      found.add(file);
    }
  }
  return [...found];
}

async function walk(folder: string, exclude: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
  signal.throwIfAborted();
  // A folder that may not be read is left out, as any linter does.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (isExcluded(path, entry.name, exclude)) {
      continue;
    }
    if (entry.isDirectory()) {
      if (!entry.name.startsWith('.') && !skippedFolders.has(entry.name)) {
        files.push(...(await walk(path, exclude, signal)));
      }
    } else if (entry.isFile() && sourceFile.test(entry.name)) {
      files.push(path);
    }
  }
  return files;
}

function isExcluded(path: string, name: string, exclude: readonly string[]): boolean {
  const slashed = path.replaceAll('\\', '/');
  return exclude.some((pattern) => pattern === name || slashed === pattern.replace(/\/$/, '') || slashed.endsWith(`/${pattern.replace(/^\.?\/|\/$/g, '')}`));
}
