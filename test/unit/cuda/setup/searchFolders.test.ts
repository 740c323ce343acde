import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedFolders, findSearchFolders, type SearchOptions } from '../../../../src/cuda/setup/searchFolders';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'search-folders-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const folder = (...parts: string[]): string => {
  const path = join(root, ...parts);
  mkdirSync(path, { recursive: true });
  return path;
};
const file = (...parts: string[]): string => {
  const path = join(root, ...parts);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, '');
  return path;
};
const found = async (options: Partial<SearchOptions>): Promise<readonly string[]> =>
  (await findSearchFolders({ platform: 'linux', env: {}, home: join(root, 'home'), systemPrefixes: [], condaRoots: [], systemFolders: [], readLoaderCache: () => Promise.resolve(undefined), ...options })).map(({ folder: path, from }) => `${from}: ${relative(root, path)}`);

describe('where CUDA is looked for on Linux', () => {
  it('goes from what the user named to what a Python brought, each folder once', async () => {
    const named = folder('named');
    const loader = folder('loader');
    folder('cuda', 'lib64');
    folder('conda', 'lib');
    folder('conda', 'envs', 'llm', 'lib', 'python3.11', 'site-packages', 'nvidia', 'cudnn', 'lib');
    folder('venv', 'lib', 'python3.12', 'site-packages', 'torch', 'lib');
    expect(await found({ env: { LD_LIBRARY_PATH: `${loader}:${named}::${join(root, 'absent')}`, CUDA_HOME: join(root, 'cuda'), VIRTUAL_ENV: join(root, 'venv') }, extraFolders: [named], condaRoots: [join(root, 'conda')] })).toEqual([
      'the folders you named: named',
      'LD_LIBRARY_PATH: loader',
      'CUDA_HOME: cuda/lib64',
      'conda: conda/lib',
      'conda: conda/envs/llm/lib',
      "a Python's packages: venv/lib/python3.12/site-packages/torch/lib",
      "a Python's packages: conda/envs/llm/lib/python3.11/site-packages/nvidia/cudnn/lib",
    ]);
  });

  it('finds the packages of the Pythons on PATH, through the link of an environment, and of all that pyenv has', async () => {
    file('python', 'bin', 'python3.11');
    folder('env', 'bin');
    symlinkSync(join(root, 'python', 'bin', 'python3.11'), join(root, 'env', 'bin', 'python3'));
    for (const prefix of ['python', 'env', 'pyenv/versions/3.10.2']) {
      folder(prefix, 'lib', 'python3.11', 'site-packages', 'onnxruntime', 'capi');
    }
    expect(await found({ env: { PATH: [join(root, 'env', 'bin'), folder('pyenv', 'shims')].join(':') } })).toEqual(
      ['env', 'python', 'pyenv/versions/3.10.2'].map((prefix) => `a Python's packages: ${prefix}/lib/python3.11/site-packages/onnxruntime/capi`),
    );
  });

  it('takes virtual environments of a workspace only where it is named as trusted', async () => {
    folder('work', '.venv', 'lib', 'python3.12', 'site-packages', 'torch', 'lib');
    expect(await found({})).toEqual([]);
    expect(await found({ workspaceFolders: [join(root, 'work')] })).toEqual(["a Python's packages: work/.venv/lib/python3.12/site-packages/torch/lib"]);
  });

  it('reads the loader cache', () => {
    expect(cachedFolders('\tlibcudart.so.13 (libc6,x86-64) => /opt/a/libcudart.so.13\n\tlibc.so.6 (libc6,x86-64) => /lib/libc.so.6\n\tlibcudnn.so.9 (libc6,x86-64) => /opt/b/libcudnn.so.9\n')).toEqual(['/opt/a', '/opt/b']);
  });
});

describe('where CUDA is looked for on Windows', () => {
  const windows = (options: Partial<SearchOptions>): Promise<readonly string[]> => found({ platform: 'win32', systemFolders: undefined, ...options });

  it('takes the newest toolkit and cuDNN first, with the folder that CUDA 13 moved its libraries to', async () => {
    for (const version of ['v12.9', 'v13.0', 'v9.2']) {
      folder('Program Files', 'NVIDIA GPU Computing Toolkit', 'CUDA', version, 'bin');
    }
    folder('Program Files', 'NVIDIA GPU Computing Toolkit', 'CUDA', 'v13.0', 'bin', 'x64');
    folder('Program Files', 'NVIDIA', 'CUDNN', 'v9.12', 'bin');
    folder('Program Files', 'NVIDIA', 'CUDNN', 'v9.8', 'bin');
    const toolkit = 'the system: Program Files/NVIDIA GPU Computing Toolkit/CUDA';
    expect(await windows({ env: { ProgramFiles: join(root, 'Program Files') } })).toEqual([
      `${toolkit}/v13.0/bin`,
      `${toolkit}/v13.0/bin/x64`,
      `${toolkit}/v12.9/bin`,
      `${toolkit}/v9.2/bin`,
      'the system: Program Files/NVIDIA/CUDNN/v9.12/bin',
      'the system: Program Files/NVIDIA/CUDNN/v9.8/bin',
    ]);
  });

  it('looks through PATH, CUDA_PATH, conda’s Library folder and the packages of a python.exe', async () => {
    file('Python312', 'python.exe');
    folder('Python312', 'Lib', 'site-packages', 'nvidia', 'cublas', 'bin', 'x86_64');
    folder('cuda', 'bin');
    folder('conda', 'Library', 'bin');
    folder('home', 'miniconda3', 'envs', 'llm', 'Lib', 'site-packages', 'torch', 'lib');
    expect(await windows({ env: { ProgramFiles: join(root, 'none'), PATH: `${join(root, 'Python312')};${join(root, 'absent')}`, CUDA_PATH: join(root, 'cuda'), CONDA_PREFIX: join(root, 'conda') }, condaRoots: undefined })).toEqual([
      'PATH: Python312',
      'CUDA_HOME: cuda/bin',
      'conda: conda/Library/bin',
      "a Python's packages: Python312/Lib/site-packages/nvidia/cublas/bin",
      "a Python's packages: Python312/Lib/site-packages/nvidia/cublas/bin/x86_64",
      "a Python's packages: home/miniconda3/envs/llm/Lib/site-packages/torch/lib",
    ]);
  });
});
