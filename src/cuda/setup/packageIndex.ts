/** Reads a Python package index: which files of a project there are, with address, size and sha256. Speaks the simple API, as JSON or HTML, which mirrors have too. */

import { httpGet, readText, shown, type HttpOptions } from './httpClient';
import type { NeededPackage } from './neededLibraries';
import { DownloadError } from './setupErrors';

export const defaultIndexUrl = 'https://pypi.org/simple';

export interface IndexFile {
  readonly fileName: string;
  readonly url: string;
  /** Lower-case hex. Files without one are not taken. */
  readonly sha256: string;
  readonly byteLength?: number;
}

export interface ChosenFile extends IndexFile {
  readonly packageId: NeededPackage['id'];
  readonly version: string;
}

const mostIndexBytes = 16 * 2 ** 20;

/** The usable files of a project, in the order of the index. Withdrawn ("yanked") ones are left out. */
export async function fetchProject(indexUrl: string, project: string, http: HttpOptions, signal?: AbortSignal): Promise<readonly IndexFile[]> {
  const address = `${indexUrl.replace(/\/+$/, '')}/${project}/`;
  const answer = await httpGet(address, { accept: 'application/vnd.pypi.simple.v1+json, text/html;q=0.5' }, http, signal);
  if (answer.status !== 200) {
    answer.body.resume();
    throw new DownloadError(`The package index ${shown(answer.url)} answers with status ${answer.status}. Check the index address.`, { url: shown(answer.url), status: answer.status });
  }
  const text = await readText(answer, mostIndexBytes, signal);
  return (answer.headers['content-type'] ?? '').includes('json') ? parseJsonIndex(text, answer.url) : parseHtmlIndex(text, answer.url);
}

/** The file to download: the newest version with the prefix that has one for this system. */
export function chooseFile(needed: NeededPackage, files: readonly IndexFile[], platform: NodeJS.Platform, arch: string): ChosenFile {
  const system = platform === 'win32' ? 'win_amd64' : `manylinux\\w*_${arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
  const name = new RegExp(`^${needed.id.replaceAll('-', '_')}-(\\d+(?:\\.\\d+)*)-[\\w.]+-[\\w.]+-[\\w.]*${system}\\.whl$`);
  const candidates = files.flatMap((file): readonly ChosenFile[] => {
    const version = name.exec(file.fileName)?.[1];
    const fits = version !== undefined && (version === needed.versionPrefix || version.startsWith(`${needed.versionPrefix}.`));
    return fits ? [{ ...file, packageId: needed.id, version }] : [];
  });
  // The wheels of one version differ in their Python part only; by name the choice is always the same.
  const [best] = candidates.sort((a, b) => compareVersions(b.version, a.version) || (a.fileName < b.fileName ? -1 : 1));
  if (best === undefined) {
    throw new DownloadError(`The package index has no ${needed.id} ${needed.versionPrefix} for ${platform}-${arch}.`, { project: needed.id });
  }
  return best;
}

export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const difference = (left[at] ?? 0) - (right[at] ?? 0);
    if (difference !== 0) {
      return difference;
    }
  }
  return 0;
}

/** PEP 691. */
export function parseJsonIndex(text: string, base: URL): readonly IndexFile[] {
  let index: { readonly files?: unknown };
  try {
    index = JSON.parse(text) as typeof index;
  } catch {
    throw new DownloadError(`${shown(base)} does not answer as a package index: its JSON is broken.`, { url: shown(base) });
  }
  return (Array.isArray(index?.files) ? (index.files as unknown[]) : []).flatMap((value): readonly IndexFile[] => {
    const file = value as { readonly filename?: unknown; readonly url?: unknown; readonly hashes?: { readonly sha256?: unknown }; readonly size?: unknown; readonly yanked?: unknown };
    const sha256 = file?.hashes?.sha256;
    if (typeof file?.filename !== 'string' || typeof file.url !== 'string' || typeof sha256 !== 'string' || !isSha256(sha256) || (file.yanked !== undefined && file.yanked !== false)) {
      return [];
    }
    return [{ fileName: file.filename, url: new URL(file.url, base).href, sha256: sha256.toLowerCase(), ...(Number.isSafeInteger(file.size) ? { byteLength: file.size as number } : {}) }];
  });
}

/** PEP 503: one link per file, the hash behind `#`. */
export function parseHtmlIndex(text: string, base: URL): readonly IndexFile[] {
  return [...text.matchAll(/<a\s([^>]*)>/gi)].flatMap(([, attributes = '']): readonly IndexFile[] => {
    const href = /\bhref\s*=\s*"([^"]*)"/i.exec(attributes)?.[1]?.replaceAll('&amp;', '&');
    if (href === undefined || /\bdata-yanked\b/i.test(attributes)) {
      return [];
    }
    const url = new URL(href, base);
    const sha256 = /^#sha256=([0-9a-f]{64})$/i.exec(url.hash)?.[1];
    url.hash = '';
    const fileName = decodeURIComponent(url.pathname.split('/').at(-1) ?? '');
    return sha256 === undefined ? [] : [{ fileName, url: url.href, sha256: sha256.toLowerCase() }];
  });
}

const isSha256 = (text: string): boolean => /^[0-9a-f]{64}$/i.test(text);
