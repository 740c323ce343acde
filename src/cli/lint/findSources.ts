/** Which files `glm lint` looks at. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { minimatch } from 'minimatch';
import { withSlashes } from '../../diagnostics/projectConfig';
import { UsageError } from '../command';

/** Folders with other people's code, caches and builds. */
const skippedFolders = new Set(['node_modules', '__pycache__', 'site-packages', 'venv', 'env', 'build', 'dist']);
const sourceFile = /\.(py|pyw|ipynb)$/i;

export interface SourceOptions {
  /** Whether a file or folder that is met while walking is passed over. */
  readonly leavesOut: (path: string) => Promise<boolean>;
  /** Leaves out files named one by one as well: for a caller that names every changed file, as pre-commit does. */
  readonly forceExclude?: boolean;
}

/**
 * Python files and notebooks under the given paths and globs, in order, each once. Files named directly are taken whatever they are called.
 *
 * @throws {UsageError} for a path that does not exist, or a glob that nothing matches.
 */
export async function findSources(paths: readonly string[], options: SourceOptions, signal: AbortSignal): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    const info = await stat(path).catch(() => undefined);
    const files = info === undefined ? await matches(path, options, signal) : info.isDirectory() ? await walk(path, options, signal) : options.forceExclude === true && (await options.leavesOut(path)) ? [] : [path];
    files.forEach((file) => found.add(file));
  }
  return [...found];
}

/** What a glob means that no shell has expanded: quoted, or on Windows. */
async function matches(pattern: string, options: SourceOptions, signal: AbortSignal): Promise<readonly string[]> {
  const slashed = withSlashes(pattern);
  const segments = slashed.split('/');
  const magic = segments.findIndex((segment) => /[*?[{]/.test(segment));
  if (magic < 0) {
    throw new UsageError(`${pattern} does not exist.`);
  }
  const base = segments.slice(0, magic).join('/') || (slashed.startsWith('/') ? '/' : '.');
  const files = await walk(base, options, signal);
  const matching = files.filter((file) => minimatch(withSlashes(file), slashed.replace(/^\.\//, ''), { dot: true }) || minimatch(withSlashes(file), slashed, { dot: true }));
  if (matching.length === 0) {
    throw new UsageError(`${pattern} matches no Python file or notebook.`);
  }
  return matching;
}

async function walk(folder: string, options: SourceOptions, signal: AbortSignal): Promise<readonly string[]> {
  signal.throwIfAborted();
  // A folder that may not be read is left out, as any linter does.
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name);
    if (await options.leavesOut(path)) {
      continue;
    }
    if (entry.isDirectory()) {
      if (!entry.name.startsWith('.') && !skippedFolders.has(entry.name)) {
        files.push(...(await walk(path, options, signal)));
      }
    } else if (entry.isFile() && sourceFile.test(entry.name)) {
      files.push(path);
    }
  }
  return files;
}
