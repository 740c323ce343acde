import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readElfFacts } from '../../../../src/cuda/setup/elfFile';
import { findCuda, type CudaStatus, type FindCudaOptions } from '../../../../src/cuda/setup/findCuda';
import { judgeDriver, readKernelDriverVersion } from '../../../../src/cuda/setup/nvidiaDriver';
import { makeRuntimeFolder } from '../../../../src/cuda/setup/runtimeFolder';
import { cachedFolders } from '../../../../src/cuda/setup/searchFolders';
import { elfLibrary, put, tempFolder } from './cudaFixtures';

const cudaNames = ['libcudart.so.13', 'libcublas.so.13', 'libcublasLt.so.13', 'libcurand.so.10', 'libnvrtc.so.13'];

/** A machine in a temporary folder: nothing of the real one is looked at. */
function machine() {
  const root = tempFolder();
  const options: FindCudaOptions = {
    platform: 'linux',
    arch: 'x64',
    env: {},
    home: join(root, 'home'),
    installRoot: join(root, 'install'),
    systemFolders: [],
    condaRoots: [],
    systemPrefixes: [],
    readLoaderCache: async () => undefined,
    driverVersion: '580.95.05',
  };
  return {
    root,
    options,
    at: (...parts: string[]): string => join(root, ...parts),
    library: (path: string, soname = path.split('/').at(-1)): string => put(join(root, path), elfLibrary(soname)),
    /** Everything that pip installs for onnxruntime-gpu[cuda,cudnn], as it lies in a Python's packages. */
    pip(site: string, ortVersion = '1.30.0'): void {
      for (const name of cudaNames) {
        put(join(root, site, 'nvidia/cu13/lib', name), elfLibrary(name));
      }
      put(join(root, site, 'nvidia/cudnn/lib/libcudnn.so.9'), elfLibrary('libcudnn.so.9'));
      put(join(root, site, 'onnxruntime/capi/libonnxruntime_providers_cuda.so'), elfLibrary(undefined));
      put(join(root, site, 'onnxruntime/capi/libonnxruntime_providers_shared.so'), elfLibrary('libonnxruntime_providers_shared.so'));
      for (const info of [`onnxruntime_gpu-${ortVersion}`, 'nvidia_cuda_runtime-13.0.96', 'nvidia_cudnn_cu13-9.20.0.48']) {
        mkdirSync(join(root, site, `${info}.dist-info`), { recursive: true });
      }
    },
  };
}

const states = (status: CudaStatus): string => status.libraries.map((one) => one.state[0]).join('');

describe('findCuda', () => {
  it('finds everything that pip put into a virtual environment, with versions', async () => {
    const { options, pip, at } = machine();
    pip('venv/lib/python3.12/site-packages');
    const status = await findCuda({ ...options, env: { VIRTUAL_ENV: at('venv') } });
    expect(status.ready).toBe(true);
    expect(status.messages).toEqual([]);
    expect(status.libraries.map((one) => (one.state === 'found' ? [one.library.fileName, one.version] : []))).toEqual([
      ['libcudart.so.13', '13.0.96'],
      ['libcublasLt.so.13', undefined],
      ['libcublas.so.13', undefined],
      ['libcurand.so.10', undefined],
      ['libnvrtc.so.13', undefined],
      ['libcudnn.so.9', '9.20.0.48'],
      ['libonnxruntime_providers_shared.so', '1.30.0'],
      ['libonnxruntime_providers_cuda.so', '1.30.0'],
    ]);
    expect(status.libraryFolders).toEqual(['nvidia/cu13/lib', 'nvidia/cudnn/lib', 'onnxruntime/capi'].map((folder) => at('venv/lib/python3.12/site-packages', folder)));
  });

  it.each([
    ['a Python on PATH, through the link of its environment', 'py/lib/python3.11/site-packages', (at: (path: string) => string) => ({ PATH: at('py/bin') })],
    ['a pyenv version behind the shims', '.pyenv/versions/3.11.7/lib/python3.11/site-packages', (at: (path: string) => string) => ({ PATH: at('.pyenv/shims') })],
    ['the active conda environment', 'conda/lib/python3.12/site-packages', (at: (path: string) => string) => ({ CONDA_PREFIX: at('conda') })],
    ["the user's own packages", 'home/.local/lib/python3.10/site-packages', () => ({})],
  ])('looks into %s', async (_what, site, env) => {
    const { options, pip, at } = machine();
    pip(site);
    put(at('py/bin/python3'), '');
    mkdirSync(at('.pyenv/shims'), { recursive: true });
    expect((await findCuda({ ...options, env: env((path) => at(path)) })).ready).toBe(true);
  });

  it('looks into a workspace only when its folder is handed over', async () => {
    const { options, pip, at } = machine();
    pip('project/.venv/lib/python3.12/site-packages');
    expect(states(await findCuda(options))).toBe('mmmmmmmm');
    expect((await findCuda({ ...options, workspaceFolders: [at('project')] })).ready).toBe(true);
  });

  it('joins toolkit, loader path, conda and loader cache, the earlier place winning', async () => {
    const { options, library, at } = machine();
    library('cuda/lib64/libcudart.so.13.0.96', 'libcudart.so.13');
    symlinkSync('libcudart.so.13.0.96', at('cuda/lib64/libcudart.so.13'));
    library('cuda/lib64/libcublas.so.13');
    library('cuda/lib64/libcublasLt.so.13');
    library('ld/libcurand.so.10');
    library('ld/libcudart.so.13');
    library('conda/lib/libnvrtc.so.13');
    library('cache/libcudnn.so.9');
    const env = { CUDA_HOME: at('cuda'), LD_LIBRARY_PATH: `/nonexistent:${at('ld')}`, CONDA_PREFIX: at('conda') };
    const status = await findCuda({ ...options, env, readLoaderCache: async () => `\tlibcudnn.so.9 (libc6,x86-64) => ${at('cache/libcudnn.so.9')}\n\tlibz.so.1 (libc6) => /lib/libz.so.1\n` });
    expect(status.libraries.map((one) => (one.state === 'found' ? `${one.library.title}: ${one.from}` : one.state))).toEqual([
      'CUDA runtime: LD_LIBRARY_PATH',
      'cuBLAS Lt: CUDA_HOME',
      'cuBLAS: CUDA_HOME',
      'cuRAND: LD_LIBRARY_PATH',
      'NVRTC: conda',
      'cuDNN: the loader cache (ldconfig)',
      'missing',
      'missing',
    ]);
    expect(status.ready).toBe(false);
    expect(status.messages).toEqual(['ONNX Runtime provider bridge 1.30.0 (libonnxruntime_providers_shared.so) was not found.', 'ONNX Runtime CUDA provider 1.30.0 (libonnxruntime_providers_cuda.so) was not found.']);
    const toolkitOnly = await findCuda({ ...options, env: { CUDA_HOME: at('cuda') } });
    expect(toolkitOnly.libraries[0]).toMatchObject({ state: 'found', version: '13.0.96' });
  });

  it('names CUDA 12 and cuDNN 8 where only those are there', async () => {
    const { options, library, at } = machine();
    library('cuda-12.4/lib64/libcudart.so.12.4.127', 'libcudart.so.12');
    symlinkSync('libcudart.so.12.4.127', at('cuda-12.4/lib64/libcudart.so.12'));
    library('cuda-12.4/lib64/libcudnn.so.8');
    const status = await findCuda({ ...options, systemFolders: [at('cuda-12.4/lib64')] });
    expect(status.libraries[0]?.state).toBe('wrong-version');
    expect(status.messages[0]).toBe(`CUDA runtime 13 (libcudart.so.13) was not found, only 12 at ${at('cuda-12.4/lib64/libcudart.so.12')}; 12 at ${at('cuda-12.4/lib64/libcudart.so.12.4.127')}.`);
    expect(status.messages).toContain(`cuDNN 9 (libcudnn.so.9) was not found, only 8 at ${at('cuda-12.4/lib64/libcudnn.so.8')}.`);
    expect(status.next[0]?.label).toBe('Download the missing libraries');
  });

  it('refuses a provider of another runtime version, and libraries of another machine or name', async () => {
    const { options, pip, at, root } = machine();
    pip('venv/lib/python3.12/site-packages', '1.31.1');
    const lib = 'venv/lib/python3.12/site-packages/nvidia/cu13/lib';
    put(join(root, lib, 'libcudart.so.13'), elfLibrary('libcudart.so.13', { machine: 183 }));
    put(join(root, lib, 'libcublas.so.13'), elfLibrary('libcublas.so.12'));
    put(join(root, lib, 'libcurand.so.10'), '/* GNU ld script */ INPUT(libcurand.so.10.4)');
    const { messages } = await findCuda({ ...options, env: { VIRTUAL_ENV: at('venv') } });
    expect(messages.map((message) => /only (.*) at /.exec(message)?.[1])).toEqual(['for arm64', 'names itself libcublas.so.12', 'not a library', '1.31.1', '1.31.1']);
  });

  it.skipIf(process.platform === 'win32')('passes over what only has the name of a library: a folder, a dangling link, a pipe, a text', async () => {
    const { options, at, library } = machine();
    mkdirSync(at('odd/libcurand.so.10'), { recursive: true });
    symlinkSync(at('nowhere'), at('odd/libcublas.so.13'));
    execFileSync('mkfifo', [at('odd/libnvrtc.so.13')]);
    put(at('odd/libcudnn.so.9'), Buffer.from('text'));
    library('odd/libcudart.so.13');
    const { libraries, ready } = await findCuda({ ...options, extraFolders: [at('odd')] });
    expect(ready).toBe(false);
    const said = (name: string): unknown => libraries.find((one) => one.library.fileName === name);
    expect(said('libcudart.so.13')).toMatchObject({ state: 'found' });
    expect(['libcurand.so.10', 'libcublas.so.13', 'libnvrtc.so.13', 'libcudnn.so.9'].map((name) => said(name))).toMatchObject([...Array.from({ length: 3 }, () => ({ state: 'wrong-version', others: [{ version: 'not a file' }] })), { state: 'wrong-version', others: [{ version: 'not a library' }] }]);
  });

  it('is not ready with an old or absent driver, and says which driver to get', async () => {
    const { options, pip, at } = machine();
    pip('venv/lib/python3.12/site-packages');
    const old = await findCuda({ ...options, env: { VIRTUAL_ENV: at('venv') }, driverVersion: '535.183.01' });
    expect([old.ready, old.messages, old.next.map((step) => step.label)]).toEqual([
      false,
      ['NVIDIA driver 535.183.01 is too old: CUDA 13 needs 580 or newer. Update the driver from nvidia.com/drivers, or use the WebGPU provider, which works with this one.'],
      ['Update the NVIDIA driver', 'Use WebGPU'],
    ]);
    expect(judgeDriver(undefined).state).toBe('missing');
    expect(judgeDriver('580.65.06').state).toBe('ok');
  });

  it('knows Windows\' names (not run on Windows) and says that macOS has no CUDA', async () => {
    const { options, at } = machine();
    for (const name of ['cudart64_13.dll', 'cublas64_13.dll', 'cublasLt64_13.dll', 'curand64_10.dll', 'nvrtc64_130_0.dll', 'cudnn64_9.dll']) {
      put(at('dlls', name), 'MZ');
    }
    put(at('dlls/cudart64_12.dll'), 'MZ');
    const windows = await findCuda({ ...options, platform: 'win32', extraFolders: [at('dlls')] });
    expect(states(windows)).toBe('ffffffmm');
    const mac = await findCuda({ ...options, platform: 'darwin', arch: 'arm64' });
    expect([mac.supported, mac.messages]).toEqual([false, ['There is no CUDA 13 for darwin-arm64; the WebGPU provider needs nothing installed.']]);
  });
});

describe('the small readers', () => {
  it('reads SONAME and machine of a real library when there is one', async () => {
    const libc = ['/lib/x86_64-linux-gnu/libc.so.6', '/lib/aarch64-linux-gnu/libc.so.6', '/lib64/libc.so.6'];
    const facts = (await Promise.all(libc.map((path) => readElfFacts(path)))).find((one) => one !== undefined);
    expect(facts ?? { arch: process.arch, soname: 'libc.so.6' }).toEqual({ arch: process.arch, soname: 'libc.so.6' });
  });

  it('survives every truncation of a library and every flipped header byte', async () => {
    const folder = tempFolder();
    const whole = elfLibrary('libcudart.so.13');
    for (let length = 0; length <= whole.length; length += 7) {
      const facts = await readElfFacts(put(join(folder, 'cut.so'), whole.subarray(0, length)));
      expect(facts === undefined || facts.soname === undefined || 'libcudart.so.13'.startsWith(facts.soname)).toBe(true);
    }
    for (let at = 0; at < 176; at += 1) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] as number) ^ 0xff;
      await readElfFacts(put(join(folder, 'bad.so'), damaged));
    }
  });

  it('reads the kernel module\'s version, open and closed', async () => {
    const path = join(tempFolder(), 'version');
    put(path, 'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\nGCC version: 13\n');
    expect(await readKernelDriverVersion(path)).toBe('580.95.05');
    put(path, 'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12\n');
    expect(await readKernelDriverVersion(path)).toBe('535.183.01');
    expect(await readKernelDriverVersion(`${path}.absent`)).toBeUndefined();
  });

  it('takes the folders of the libraries in question from the loader cache', () => {
    expect(cachedFolders('3 libs found\n\tlibcublas.so.13 (libc6,x86-64) => /opt/cuda/lib/libcublas.so.13\n\tlibzstd.so.1 (libc6) => /lib/libzstd.so.1\n')).toEqual(['/opt/cuda/lib']);
  });
});

describe('makeRuntimeFolder', () => {
  it('lays runtime and providers side by side, and again when one of them changed', async () => {
    const { options, pip, at } = machine();
    pip('venv/lib/python3.12/site-packages');
    const ort = put(at('ort/libonnxruntime.so.1'), 'runtime');
    const status = await findCuda({ ...options, env: { VIRTUAL_ENV: at('venv') } });
    const folder = await makeRuntimeFolder(status, ort, at('install'), 'linux');
    expect(readFileSync(join(folder, 'libonnxruntime.so.1'), 'utf8')).toBe('runtime');
    expect(readFileSync(join(folder, 'libonnxruntime_providers_cuda.so')).equals(elfLibrary(undefined))).toBe(true);
    expect(await Promise.all([1, 2].map(() => makeRuntimeFolder(status, ort, at('install'), 'linux')))).toEqual([folder, folder]);
    put(ort, 'another runtime');
    expect(await makeRuntimeFolder(status, ort, at('install'), 'linux')).not.toBe(folder);
  });

  it('uses the runtime\'s own folder when the providers lie there already', async () => {
    const { options, pip, at } = machine();
    pip('venv/lib/python3.12/site-packages');
    const ort = put(at('venv/lib/python3.12/site-packages/onnxruntime/capi/libonnxruntime.so.1'), 'runtime');
    const status = await findCuda({ ...options, env: { VIRTUAL_ENV: at('venv') } });
    expect(await makeRuntimeFolder(status, ort, at('install'), 'linux')).toBe(at('venv/lib/python3.12/site-packages/onnxruntime/capi'));
  });
});
