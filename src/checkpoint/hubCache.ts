/**
 * Where Hugging Face's tools keep downloads: `<root>/models--org--name/{blobs,refs,snapshots/<commit>}`, snapshot files being links into blobs
 * (plain copies on Windows without the right to make links).
 */

import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { OpenOptions } from './checkpoint';

/** `org/name`, as on the hub. */
const repoPattern = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;

export function isRepoName(source: string): boolean {
  return repoPattern.test(source) && !source.includes('..');
}

/** `org/name` of a name, or of what people copy from the browser: the address of a model's page or of its files. */
export function tryRepoName(source: string): string | undefined {
  const name = /^(?:https?:\/\/(?:www\.)?(?:huggingface\.co|hf\.co|hf-mirror\.com)\/)?([^/]+\/[^/]+?)(?:\/|\/tree\/.*)?$/.exec(source.trim())?.[1];
  return name !== undefined && isRepoName(name) ? name : undefined;
}

/** Cache roots in the order in which huggingface_hub would honour them; all are searched. */
export function hubCacheRoots(env: OpenOptions['env']): readonly string[] {
  const home = env.HOME ?? env.USERPROFILE;
  const expand = (path: string): string | undefined => {
    const expanded = /^~(?=$|[/\\])/.test(path) ? (home === undefined ? undefined : home + path.slice(1)) : path;
    return expanded === undefined ? undefined : resolve(expanded);
  };
  const roots: (string | undefined)[] = [];
  for (const key of ['HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE']) {
    const value = env[key];
    if (value !== undefined && value !== '') {
      roots.push(expand(value));
    }
  }
  if (env.HF_HOME !== undefined && env.HF_HOME !== '') {
    roots.push(expand(join(env.HF_HOME, 'hub')));
  }
  if (env.XDG_CACHE_HOME !== undefined && isAbsolute(env.XDG_CACHE_HOME)) {
    roots.push(join(env.XDG_CACHE_HOME, 'huggingface', 'hub'));
  }
  if (home !== undefined && home !== '') {
    roots.push(join(home, '.cache', 'huggingface', 'hub'));
  }
  return [...new Set(roots.filter((root): root is string => root !== undefined))];
}

/** `org/name` for a path inside a repository folder of a cache. */
export function repoNameOf(path: string): string | undefined {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    const match = /^models--(.+?)--(.+)$/.exec(basename(folder));
    if (match) {
      return `${match[1]}/${match[2]}`;
    }
  }
  return undefined;
}

/** The repository folder that a snapshot lies in. */
export function repoFolderOf(path: string): string | undefined {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    if (basename(folder).startsWith('models--')) {
      return folder;
    }
  }
  return undefined;
}

/** Where `org/name` would lie in each root. */
export function repoFolders(repo: string, roots: readonly string[]): readonly string[] {
  return roots.map((root) => join(root, `models--${repo.replace('/', '--')}`));
}

/**
 * The snapshot to use: the one that refs/main names, else the newest that has a config.json, one with weights before one without.
 * Undefined when there is no snapshot with a config.json.
 */
export async function findSnapshot(repoFolder: string): Promise<string | undefined> {
  const main = (await readFile(join(repoFolder, 'refs', 'main'), 'utf8').catch(() => '')).trim();
  if (/^[0-9A-Za-z]{7,64}$/.test(main)) {
    const folder = join(repoFolder, 'snapshots', main);
    if ((await entriesOf(folder)).includes('config.json')) {
      return folder;
    }
  }
  const found: { readonly folder: string; readonly hasWeights: boolean; readonly modifiedMs: number }[] = [];
  for (const commit of await entriesOf(join(repoFolder, 'snapshots'))) {
    const folder = join(repoFolder, 'snapshots', commit);
    const entries = await entriesOf(folder);
    if (entries.includes('config.json')) {
      const { mtimeMs } = await stat(folder);
      found.push({ folder, hasWeights: entries.some((entry) => entry.endsWith('.safetensors')), modifiedMs: mtimeMs });
    }
  }
  found.sort((a, b) => Number(b.hasWeights) - Number(a.hasWeights) || b.modifiedMs - a.modifiedMs || a.folder.localeCompare(b.folder));
  return found[0]?.folder;
}

/** Unfinished downloads of a repository: how many, and their bytes so far. */
export async function incompleteDownloads(repoFolder: string): Promise<{ readonly count: number; readonly bytes: number }> {
  let bytes = 0;
  const names = (await entriesOf(join(repoFolder, 'blobs'))).filter((name) => name.endsWith('.incomplete'));
  for (const name of names) {
    bytes += (await stat(join(repoFolder, 'blobs', name)).catch(() => undefined))?.size ?? 0;
  }
  return { count: names.length, bytes };
}

/** Names in a folder; none when it is missing or may not be read. */
export async function entriesOf(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}
