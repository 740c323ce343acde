/**
 * Downloads the packages with the CUDA 13 libraries and puts them in place.
 *
 * Everything is made in a hidden folder and appears under its final name with one rename, after every file is there and its package's
 * sha256 was right: what is half done is never used. Packages that are whole stay until the end, so that a second run does not fetch them again.
 */

import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { throwIfAborted } from '../../common/errors';
import { downloadFile } from './downloadFile';
import type { HttpOptions } from './httpClient';
import { takeInstallLock } from './installLock';
import { isWhole } from './installedFolder';
import { manifestFormat, manifestName, type Manifest } from './manifest';
import { isCudaSystem, neededLibraries, neededPackages, ortVersion, type NeededPackage } from './neededLibraries';
import { chooseFile, defaultIndexUrl, fetchProject, type ChosenFile } from './packageIndex';
import { CudaUnsupportedError, DiskFullError, PackageContentError } from './setupErrors';
import { unpackWheel } from './unpackWheel';

export interface InstallPlan {
  readonly files: readonly (ChosenFile & { readonly licence: string })[];
  /** To be downloaded; files of unknown size count as 0 and make it a lower bound. */
  readonly downloadBytes: number;
  /** Needed while installing: packages and what is unpacked from them. */
  readonly diskBytes: number;
  /** Final folder. */
  readonly folder: string;
}

export interface InstallProgress {
  readonly phase: 'downloading' | 'unpacking';
  readonly packageId: string;
  /** Over all packages. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface InstallOptions {
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  readonly installRoot: string;
  readonly indexUrl?: string;
  readonly http?: HttpOptions;
  readonly onProgress?: (progress: InstallProgress) => void;
  readonly signal?: AbortSignal;
  /** Replaced by tests. */
  readonly packages?: readonly NeededPackage[];
  readonly freeBytes?: (folder: string) => Promise<number | undefined>;
  readonly retryDelayMs?: number;
}

const spareBytes = 256 * 2 ** 20;

/** Asks the index what would be downloaded, for the user to agree to. Writes nothing. */
export async function planInstall(options: InstallOptions): Promise<InstallPlan> {
  const { platform, arch, installRoot, signal } = options;
  if (!isCudaSystem(platform, arch)) {
    throw new CudaUnsupportedError(platform, arch);
  }
  const packages = options.packages ?? neededPackages;
  const files = await Promise.all(
    packages.map(async (needed) => {
      const project = await fetchProject(options.indexUrl ?? defaultIndexUrl, needed.id, options.http ?? {}, signal);
      return { ...chooseFile(needed, project, platform, arch), licence: needed.licence, unpackedRatio: needed.unpackedRatio };
    }),
  );
  const packedBytes = files.reduce((sum, file) => sum + (file.byteLength ?? 0), 0);
  const unpackedBytes = files.reduce((sum, file) => sum + Math.ceil((file.byteLength ?? 0) * file.unpackedRatio), 0);
  const identity = createHash('sha256').update(files.map((file) => file.sha256).join()).digest('hex');
  return { files, downloadBytes: packedBytes, diskBytes: packedBytes + unpackedBytes + spareBytes, folder: join(installRoot, `cuda13-ort${ortVersion}-${identity.slice(0, 10)}`) };
}

/**
 * Carries the plan out and returns the folder with the libraries. Does nothing when it is already there.
 *
 * @throws {DiskFullError} before anything is downloaded when there is not enough room, or later when the room went.
 * @throws {CancelledError} @throws {DownloadError} @throws {HashMismatchError} @throws {PackageContentError} @throws {SetupBusyError}
 */
export async function installCuda(plan: InstallPlan, options: InstallOptions): Promise<string> {
  const { installRoot, signal } = options;
  const packages = options.packages ?? neededPackages;
  await mkdir(installRoot, { recursive: true });
  const unlock = await takeInstallLock(join(installRoot, '.install.lock'));
  const staging = join(installRoot, `.staging-${randomUUID()}`);
  const downloads = join(installRoot, '.downloads');
  try {
    await removeLeftovers(installRoot);
    if (await isWhole(plan.folder)) {
      return plan.folder;
    }
    await assertRoom(plan, options, downloads);
    await mkdir(downloads, { recursive: true });
    await mkdir(staging);
    const total = plan.downloadBytes;
    let before = 0;
    for (const file of plan.files) {
      const to = join(downloads, `${file.sha256}.whl`);
      if (!(await exists(to))) {
        await downloadFile({
          ...file,
          to,
          http: options.http ?? {},
          signal,
          retryDelayMs: options.retryDelayMs,
          onProgress: (doneBytes) => options.onProgress?.({ phase: 'downloading', packageId: file.packageId, doneBytes: before + doneBytes, totalBytes: total }),
        });
      }
      before += file.byteLength ?? 0;
    }
    const manifest = await unpackAll(plan, packages, downloads, staging, options);
    assertComplete(manifest, options.platform, packages);
    throwIfAborted(signal, 'Setting up CUDA');
    await writeFile(join(staging, manifestName), JSON.stringify(manifest, undefined, 2), { flush: true } as Parameters<typeof writeFile>[2]);
    await syncFolder(staging);
    await rm(plan.folder, { recursive: true, force: true });
    await rename(staging, plan.folder);
    await rm(downloads, { recursive: true, force: true });
    return plan.folder;
  } finally {
    await rm(staging, { recursive: true, force: true });
    await unlock();
  }
}

async function unpackAll(plan: InstallPlan, packages: readonly NeededPackage[], downloads: string, staging: string, options: InstallOptions): Promise<Manifest> {
  const files: Manifest['files'][number][] = [];
  const totalBytes = plan.diskBytes - plan.downloadBytes;
  let doneBytes = 0;
  for (const file of plan.files) {
    const keep = packages.find((one) => one.id === file.packageId)?.keep ?? /$^/;
    const unpacked = await unpackWheel(
      join(downloads, `${file.sha256}.whl`),
      keep,
      staging,
      (bytes) => {
        doneBytes += bytes;
        options.onProgress?.({ phase: 'unpacking', packageId: file.packageId, doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
      },
      options.signal,
    );
    files.push(...unpacked);
  }
  const sources = plan.files.map(({ packageId, version, fileName, sha256 }) => ({ id: packageId, version, fileName, sha256 }));
  return { format: manifestFormat, packages: sources, files };
}

/** Every library that the packages are there for must have come out of them. */
function assertComplete(manifest: Manifest, platform: NodeJS.Platform, packages: readonly NeededPackage[]): void {
  for (const library of neededLibraries(platform)) {
    const isExpected = packages.some((one) => one.id === library.packageId);
    if (isExpected && !manifest.files.some((file) => file.name.toLowerCase() === library.fileName.toLowerCase())) {
      throw new PackageContentError(`${library.packageId} does not hold ${library.fileName}. Its layout has changed; report this, and install CUDA 13 by hand meanwhile.`, { library: library.fileName });
    }
  }
}

async function assertRoom(plan: InstallPlan, options: InstallOptions, downloads: string): Promise<void> {
  const freeBytes = await (options.freeBytes ?? readFreeBytes)(options.installRoot);
  const sizes = await Promise.all(plan.files.flatMap((file) => ['.whl', '.whl.part'].map((end) => stat(join(downloads, `${file.sha256}${end}`)).then((info) => info.size, () => 0))));
  const neededBytes = plan.diskBytes - sizes.reduce((sum, size) => sum + size, 0);
  if (freeBytes !== undefined && freeBytes < neededBytes) {
    throw new DiskFullError(options.installRoot, neededBytes, freeBytes);
  }
}

async function readFreeBytes(folder: string): Promise<number | undefined> {
  const info = await statfs(folder).catch(() => undefined);
  return info === undefined ? undefined : info.bavail * info.bsize;
}

/** What a killed process left; the lock says that none is at work. */
async function removeLeftovers(installRoot: string): Promise<void> {
  const left = (await readdir(installRoot)).filter((name) => name.startsWith('.staging-'));
  await Promise.all(left.map((name) => rm(join(installRoot, name), { recursive: true, force: true })));
}

/** Makes the names in a folder durable before it is renamed. Not every system can sync a folder. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);
