/** Where people have CUDA: loader paths, toolkits, conda, and what pip put beside PyTorch. No Python is run for this; folders are only listed. */

import { execFile } from 'node:child_process';
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, posix, win32 } from 'node:path';

export interface SearchFolder {
  readonly folder: string;
  /** For messages: `LD_LIBRARY_PATH`, `CUDA_HOME`, `conda`, `a Python's packages`. */
  readonly from: string;
}

export interface SearchOptions {
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Named by the user; searched first. */
  readonly extraFolders?: readonly string[];
  /** Folders of a trusted workspace, for virtual environments in them. An untrusted one must not make us load its libraries. */
  readonly workspaceFolders?: readonly string[];
  /** Where toolkits and system packages are; replaced by tests. */
  readonly systemFolders?: readonly string[];
  /** Conda installations to look into besides the active one; replaced by tests. */
  readonly condaRoots?: readonly string[];
  /** Prefixes of the system's own Pythons; replaced by tests. */
  readonly systemPrefixes?: readonly string[];
  /** The loader's cache as `ldconfig -p` prints it; replaced by tests. */
  readonly readLoaderCache?: () => Promise<string | undefined>;
}

/** Folders that exist, each once, in the order in which a hit counts. */
export async function findSearchFolders(options: SearchOptions): Promise<readonly SearchFolder[]> {
  const { platform, env } = options;
  const { delimiter } = platform === 'win32' ? win32 : posix;
  const split = (value: string | undefined): readonly string[] => (value ?? '').split(delimiter).filter((part) => part !== '');
  const named = (from: string, folders: readonly string[]): readonly SearchFolder[] => folders.map((folder) => ({ folder, from }));
  const toolkit = (root: string | undefined): readonly string[] =>
    root === undefined || root === '' ? [] : platform === 'win32' ? [join(root, 'bin'), join(root, 'bin', 'x64')] : [join(root, 'lib64'), join(root, 'lib'), join(root, 'targets', 'x86_64-linux', 'lib')];
  const condaPrefixes = [...(env.CONDA_PREFIX === undefined ? [] : [env.CONDA_PREFIX]), ...(await listCondaPrefixes(options))];
  const pythonPrefixes = [
    ...(env.VIRTUAL_ENV === undefined ? [] : [env.VIRTUAL_ENV]),
    ...(options.workspaceFolders ?? []).flatMap((folder) => ['.venv', 'venv', 'env', '.conda'].map((name) => join(folder, name))),
    ...(await prefixesOnPath(options, split(env.PATH))),
    ...condaPrefixes,
    ...(platform === 'win32' ? [] : [join(options.home, '.local')]),
    ...(options.systemPrefixes ?? (platform === 'win32' ? [] : ['/usr', '/usr/local'])),
  ];
  const candidates: readonly SearchFolder[] = [
    ...named('the folders you named', options.extraFolders ?? []),
    ...named(platform === 'win32' ? 'PATH' : 'LD_LIBRARY_PATH', platform === 'win32' ? split(env.PATH) : split(env.LD_LIBRARY_PATH)),
    ...named('CUDA_HOME', [...toolkit(env.CUDA_HOME), ...toolkit(env.CUDA_PATH)]),
    ...named('the system', options.systemFolders ?? (await systemFolders(platform, env))),
    ...named('the loader cache (ldconfig)', cachedFolders((await (options.readLoaderCache ?? (() => readLoaderCache(platform)))()) ?? '')),
    ...named('conda', condaPrefixes.map((prefix) => (platform === 'win32' ? join(prefix, 'Library', 'bin') : join(prefix, 'lib')))),
    ...named("a Python's packages", await packageFolders(platform, pythonPrefixes)),
  ];
  return existingOnce(candidates);
}

/** Folders that hold libraries inside a Python's packages: `nvidia/…/lib`, `torch/lib`, `onnxruntime/capi`. */
async function packageFolders(platform: NodeJS.Platform, prefixes: readonly string[]): Promise<readonly string[]> {
  const sites = (await Promise.all([...new Set(prefixes)].map((prefix) => sitePackages(platform, prefix)))).flat();
  const folders = await Promise.all(
    sites.map(async (site) => {
      const parts = await listFolder(join(site, 'nvidia'));
      return [
        join(site, 'onnxruntime', 'capi'),
        ...parts.flatMap((part) => (platform === 'win32' ? [join(site, 'nvidia', part, 'bin'), join(site, 'nvidia', part, 'bin', 'x86_64')] : [join(site, 'nvidia', part, 'lib')])),
        join(site, 'torch', 'lib'),
      ];
    }),
  );
  return folders.flat();
}

async function sitePackages(platform: NodeJS.Platform, prefix: string): Promise<readonly string[]> {
  if (platform === 'win32') {
    return [join(prefix, 'Lib', 'site-packages')];
  }
  const versions = (await listFolder(join(prefix, 'lib'))).filter((name) => /^python3(\.\d+)?$/.test(name));
  return versions.flatMap((version) => ['site-packages', 'dist-packages'].map((kind) => join(prefix, 'lib', version, kind)));
}

/** The installations of the Pythons on PATH. A virtual environment's `python` is a link: both ends of it are installations. */
async function prefixesOnPath({ platform, env, home }: SearchOptions, path: readonly string[]): Promise<readonly string[]> {
  const prefixes: string[] = [];
  for (const folder of path) {
    if (/[\\/]shims$/.test(folder)) {
      const versions = join(env.PYENV_ROOT ?? dirname(folder) ?? join(home, '.pyenv'), 'versions');
      prefixes.push(...(await listFolder(versions)).map((name) => join(versions, name)));
      continue;
    }
    for (const name of platform === 'win32' ? ['python.exe'] : ['python3', 'python']) {
      const program = await realpath(join(folder, name)).catch(() => undefined);
      if (program !== undefined) {
        prefixes.push(...(platform === 'win32' ? [folder, dirname(program)] : [dirname(folder), dirname(dirname(program))]));
      }
    }
  }
  return prefixes;
}

async function listCondaPrefixes({ platform, home, condaRoots }: SearchOptions): Promise<readonly string[]> {
  const names = ['miniconda3', 'anaconda3', 'miniforge3', 'mambaforge', 'micromamba'];
  const roots = condaRoots ?? [...names.map((name) => join(home, name)), ...(platform === 'win32' ? [] : ['/opt/conda'])];
  const environments = await Promise.all(roots.map(async (root) => [root, ...(await listFolder(join(root, 'envs'))).map((name) => join(root, 'envs', name))]));
  return environments.flat();
}

async function systemFolders(platform: NodeJS.Platform, env: Readonly<Record<string, string | undefined>>): Promise<readonly string[]> {
  if (platform === 'win32') {
    const root = join(env.ProgramFiles ?? 'C:\\Program Files', 'NVIDIA GPU Computing Toolkit', 'CUDA');
    const toolkits = newestFirst(await listFolder(root)).filter((name) => name.startsWith('v'));
    const cudnn = join(env.ProgramFiles ?? 'C:\\Program Files', 'NVIDIA', 'CUDNN');
    const cudnnVersions = newestFirst(await listFolder(cudnn));
    return [...toolkits.flatMap((name) => [join(root, name, 'bin'), join(root, name, 'bin', 'x64')]), ...cudnnVersions.map((name) => join(cudnn, name, 'bin'))];
  }
  // A newer toolkit first: cuda-13.0 before cuda-12.4.
  const toolkits = newestFirst(await listFolder('/usr/local')).filter((name) => /^cuda(-\d+(\.\d+)?)?$/.test(name));
  return [...toolkits.map((name) => `/usr/local/${name}/lib64`), '/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64', '/usr/lib', '/opt/cuda/lib64', '/usr/lib/wsl/lib'];
}

/** `libcudart.so.13 (libc6,x86-64) => /usr/lib/…/libcudart.so.13` → its folder. */
export function cachedFolders(cache: string): readonly string[] {
  return [...cache.matchAll(/^\s*lib(?:cudart|cublas|cublasLt|cudnn|curand|nvrtc|onnxruntime\w*)\.so\S* .*=> (\S+)$/gm)].map(([, path]) => posix.dirname(path as string));
}

async function readLoaderCache(platform: NodeJS.Platform): Promise<string | undefined> {
  if (platform !== 'linux') {
    return undefined;
  }
  for (const program of ['/sbin/ldconfig', '/usr/sbin/ldconfig', 'ldconfig']) {
    const output = await new Promise<string | undefined>((resolve) => {
      execFile(program, ['-p'], { timeout: 5000, maxBuffer: 2 ** 24 }, (error, stdout) => resolve(error === null ? stdout : undefined));
    });
    if (output !== undefined) {
      return output;
    }
  }
  return undefined;
}

const newestFirst = (names: readonly string[]): readonly string[] => [...names].sort((a, b) => b.localeCompare(a, 'en', { numeric: true }));

async function listFolder(folder: string): Promise<readonly string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

async function existingOnce(candidates: readonly SearchFolder[]): Promise<readonly SearchFolder[]> {
  const seen = new Set<string>();
  const existing: SearchFolder[] = [];
  for (const { folder, from } of candidates) {
    const isFolder = await stat(folder).then((info) => info.isDirectory(), () => false);
    const real = isFolder ? await realpath(folder) : undefined;
    if (real !== undefined && !seen.has(real)) {
      seen.add(real);
      existing.push({ folder, from });
    }
  }
  return existing;
}
