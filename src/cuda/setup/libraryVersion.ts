/** The exact version of a library that was found, from whatever tells it. */

import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { manifestName, parseManifest } from './manifest';
import type { NeededLibrary } from './neededLibraries';

/**
 * Tried in this order: the name that the file is a link to (`libcudart.so.13.0.96`), the package that pip noted beside it,
 * our own manifest, the versioned runtime beside a provider. Undefined when none tells.
 */
export async function readLibraryVersion(path: string, library: NeededLibrary): Promise<string | undefined> {
  const real = await realpath(path).catch(() => path);
  const named = /\.so\.(\d+\.\d[\d.]*)$/.exec(basename(real))?.[1];
  if (named !== undefined && !library.isProvider) {
    return named;
  }
  return (await versionFromPip(real, library)) ?? (await versionFromManifest(path, library)) ?? (library.isProvider ? await versionBeside(path) : undefined);
}

/** `site-packages/nvidia_cuda_runtime-13.0.96.dist-info` names what lies in `site-packages/nvidia/…`. */
async function versionFromPip(path: string, library: NeededLibrary): Promise<string | undefined> {
  const parts = path.split(sep);
  const at = Math.max(parts.lastIndexOf('site-packages'), parts.lastIndexOf('dist-packages'));
  if (at < 0) {
    return undefined;
  }
  const site = parts.slice(0, at + 1).join(sep);
  const packageName = library.packageId.replaceAll('-', '_');
  const entries = await readdir(site).catch(() => []);
  return entries.flatMap((entry) => new RegExp(`^${packageName}-(\\d[^-]*)\\.dist-info$`).exec(entry)?.[1] ?? [])[0];
}

async function versionFromManifest(path: string, library: NeededLibrary): Promise<string | undefined> {
  const manifest = parseManifest(await readFile(join(dirname(path), manifestName), 'utf8').catch(() => ''));
  return manifest?.packages.find((one) => one.id === library.packageId)?.version;
}

/** A provider without package data: `libonnxruntime.so.1.30.0` beside it. */
async function versionBeside(path: string): Promise<string | undefined> {
  const entries = await readdir(dirname(path)).catch(() => []);
  return entries.flatMap((entry) => /^libonnxruntime\.so\.(\d+\.\d+\.\d+)$/.exec(entry)?.[1] ?? [])[0];
}
