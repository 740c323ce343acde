/** Looks for everything that the CUDA provider needs and says, library by library, what was found. */

import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { NextStep } from '../../common/errors';
import { readElfFacts } from './elfFile';
import { findInstalled } from './installedFolder';
import { readLibraryVersion } from './libraryVersion';
import { isCudaSystem, neededLibraries, ortVersion, type NeededLibrary } from './neededLibraries';
import { judgeDriver, readKernelDriverVersion, type DriverStatus } from './nvidiaDriver';
import { useWebgpu } from './setupErrors';
import { findSearchFolders, type SearchFolder, type SearchOptions } from './searchFolders';

export type LibraryStatus =
  | { readonly library: NeededLibrary; readonly state: 'found'; readonly path: string; readonly version?: string; readonly from: string }
  /** Only other versions, or files that this system cannot load. */
  | { readonly library: NeededLibrary; readonly state: 'wrong-version'; readonly others: readonly { readonly path: string; readonly version: string }[] }
  | { readonly library: NeededLibrary; readonly state: 'missing' };

export interface CudaStatus {
  readonly supported: boolean;
  readonly driver: DriverStatus;
  readonly libraries: readonly LibraryStatus[];
  readonly lookedIn: readonly SearchFolder[];
  /** Driver and libraries are all there. */
  readonly ready: boolean;
  /** Absolute paths in the order to load them, the provider last; complete when `ready`. */
  readonly loadOrder: readonly string[];
  /** The folders of those, for a child's library path. */
  readonly libraryFolders: readonly string[];
  /** What is the matter, with versions; one line per cause. */
  readonly messages: readonly string[];
  readonly next: readonly NextStep[];
}

export interface FindCudaOptions extends SearchOptions {
  readonly arch: string;
  /** Folder under which downloads were installed. */
  readonly installRoot: string;
  /** As NVML reports it; undefined: ask the kernel. */
  readonly driverVersion?: string;
}

export async function findCuda(options: FindCudaOptions): Promise<CudaStatus> {
  const { platform, arch } = options;
  if (!isCudaSystem(platform, arch)) {
    const message = `There is no CUDA 13 for ${platform}-${arch}; the WebGPU provider needs nothing installed.`;
    return { supported: false, driver: judgeDriver(undefined), libraries: [], lookedIn: [], ready: false, loadOrder: [], libraryFolders: [], messages: [message], next: [useWebgpu] };
  }
  const driver = judgeDriver(options.driverVersion ?? (platform === 'linux' ? await readKernelDriverVersion() : undefined));
  const installed = await findInstalled(options.installRoot);
  const lookedIn = [...installed.map((folder) => ({ folder, from: "GLM Local's own folder" })), ...(await findSearchFolders(options))];
  const listings = await Promise.all(lookedIn.map(async (place) => ({ place, names: new Set<string>(await readdir(place.folder).catch(() => [])) })));
  const libraries = await Promise.all(neededLibraries(platform).map((library) => findLibrary(library, listings, options)));
  const found = libraries.flatMap((status) => (status.state === 'found' ? [status.path] : []));
  const isComplete = found.length === libraries.length;
  return {
    supported: true,
    driver,
    libraries,
    lookedIn,
    ready: isComplete && driver.state === 'ok',
    loadOrder: found,
    libraryFolders: [...new Set(found.map((path) => dirname(path)))],
    messages: [...(driver.state === 'ok' ? [] : [driver.message]), ...libraries.flatMap(describeProblem)],
    next: nextSteps(driver, isComplete),
  };
}

type Listing = { readonly place: SearchFolder; readonly names: ReadonlySet<string> };

async function findLibrary(library: NeededLibrary, listings: readonly Listing[], options: FindCudaOptions): Promise<LibraryStatus> {
  const others: { readonly path: string; readonly version: string }[] = [];
  for (const { place, names } of listings) {
    for (const name of names) {
      const inName = library.anyVersion.exec(name)?.[1];
      if (inName === undefined) {
        continue;
      }
      const path = join(place.folder, name);
      if (name.toLowerCase() !== library.fileName.toLowerCase()) {
        // `libcudart.so.13.0.96` is what `libcudart.so.13` links to, not another version.
        if (inName !== library.wantedVersion) {
          others.push({ path, version: inName });
        }
        continue;
      }
      const version = await readLibraryVersion(path, library);
      const refusal = await findRefusal(library, path, version, options);
      if (refusal === undefined) {
        return { library, state: 'found', path, version, from: place.from };
      }
      others.push({ path, version: refusal });
    }
  }
  return others.length > 0 ? { library, state: 'wrong-version', others } : { library, state: 'missing' };
}

/** Why a file of the right name will not do, in a word or two. */
async function findRefusal(library: NeededLibrary, path: string, version: string | undefined, options: FindCudaOptions): Promise<string | undefined> {
  // A folder of that name, a dangling link, or a pipe, whose opening would wait for a writer.
  if ((await stat(path).catch(() => undefined))?.isFile() !== true) {
    return 'not a file';
  }
  if (library.isProvider && version !== ortVersion) {
    return version ?? 'unknown version';
  }
  if (options.platform !== 'linux') {
    return undefined;
  }
  const facts = await readElfFacts(path);
  if (facts === undefined) {
    return 'not a library';
  }
  if (facts.arch !== options.arch) {
    return `for ${facts.arch ?? 'another machine'}`;
  }
  return library.isProvider || facts.soname === library.fileName ? undefined : `names itself ${facts.soname ?? 'nothing'}`;
}

function describeProblem(status: LibraryStatus): readonly string[] {
  const { library } = status;
  const wanted = `${library.title} ${library.wantedVersion} (${library.fileName})`;
  switch (status.state) {
    case 'found':
      return [];
    case 'missing':
      return [`${wanted} was not found.`];
    case 'wrong-version': {
      const shown = status.others.slice(0, 3).map((other) => `${other.version} at ${other.path}`);
      return [`${wanted} was not found, only ${shown.join('; ')}.`];
    }
    default:
      return status satisfies never;
  }
}

function nextSteps(driver: DriverStatus, isComplete: boolean): readonly NextStep[] {
  if (driver.state !== 'ok') {
    return [{ label: 'Update the NVIDIA driver', url: 'https://www.nvidia.com/drivers' }, useWebgpu];
  }
  return isComplete ? [] : [{ label: 'Download the missing libraries', command: 'glm.setupCuda', terminal: 'Download the missing libraries: glm setup-cuda --download' }, useWebgpu];
}
