import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findInstalled } from '../../../../src/cuda/setup/installedFolder';
import { installCuda, planInstall, type InstallProgress } from '../../../../src/cuda/setup/installCuda';
import { unpackWheel } from '../../../../src/cuda/setup/unpackWheel';
import { elfLibrary, put, serveFile, tempFolder, zipArchive } from './cudaFixtures';
import { projectOf, startIndex, wheels } from './wheelIndex';

const cudnn = 'nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_x86_64.whl';

describe('installCuda', () => {
  it('puts exactly the needed libraries into one folder, with a manifest, and cleans up', async () => {
    const { options } = await startIndex();
    const progress: InstallProgress[] = [];
    const plan = await planInstall(options);
    const folder = await installCuda(plan, { ...options, onProgress: (one) => progress.push(one) });
    expect(readdirSync(folder).sort()).toEqual([
      'libcublas.so.13',
      'libcublasLt.so.13',
      'libcudart.so.13',
      'libcudnn.so.9',
      'libcudnn_engines_tensor_ir.so.9',
      'libcudnn_graph.so.9',
      'libcurand.so.10',
      'libnvrtc-builtins.so.13.0',
      'libnvrtc.so.13',
      'libonnxruntime_providers_cuda.so',
      'libonnxruntime_providers_shared.so',
      'manifest.json',
    ]);
    expect(readdirSync(options.installRoot)).toEqual([folder.split('/').at(-1)]);
    expect(await findInstalled(options.installRoot)).toEqual([folder]);
    const last = progress.filter((one) => one.phase === 'downloading').at(-1);
    expect([last?.doneBytes, last?.totalBytes]).toEqual([plan.downloadBytes, plan.downloadBytes]);
    expect(plan.files.map((file) => `${file.packageId} ${file.version} ${file.licence}`)).toContain('nvidia-cudnn-cu13 9.20.0.48 NVIDIA software licence');
  });

  it('does nothing the second time', async () => {
    const { options, server } = await startIndex();
    const plan = await planInstall(options);
    await installCuda(plan, options);
    const before = server.requests.length;
    expect(await installCuda(plan, options)).toBe(plan.folder);
    expect(server.requests).toHaveLength(before);
  });

  it('leaves nothing usable after a wrong hash, and keeps the good packages for the next run', async () => {
    const broken = await startIndex({ serve: { [cudnn]: serveFile(Buffer.alloc(500, 1)) } });
    const plan = await planInstall(broken.options);
    await expect(installCuda(plan, { ...broken.options })).rejects.toThrow();
    expect(existsSync(plan.folder)).toBe(false);
    expect(await findInstalled(broken.options.installRoot)).toEqual([]);
    const good = await startIndex();
    const again = { ...good.options, installRoot: broken.options.installRoot };
    await installCuda(await planInstall(again), again);
    expect(good.server.requests.filter((request) => request.startsWith('/files/')).map((request) => projectOf(request.slice(7)))).toEqual(['nvidia-cudnn-cu13', 'onnxruntime-gpu']);
  });

  it('goes on after a cancel', async () => {
    const { options, server } = await startIndex({ serve: { [cudnn]: serveFile(zipArchive(wheels[cudnn] ?? {}), { cutAfter: [60] }) } });
    const controller = new AbortController();
    const plan = await planInstall(options);
    const cancelled = installCuda(plan, { ...options, signal: controller.signal, onProgress: ({ packageId }) => packageId === 'nvidia-cudnn-cu13' && controller.abort() });
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    expect(existsSync(plan.folder)).toBe(false);
    const before = server.requests.length;
    await installCuda(plan, options);
    expect(server.requests.slice(before).map((request) => projectOf(request.slice(7)))).toEqual(expect.arrayContaining(['onnxruntime-gpu']));
    expect(server.requests.slice(before).some((request) => request.includes('cublas'))).toBe(false);
  });

  it('checks the disk before it downloads anything', async () => {
    const { options, server } = await startIndex();
    const plan = await planInstall(options);
    const before = server.requests.length;
    await expect(installCuda(plan, { ...options, freeBytes: async () => plan.diskBytes - 1 })).rejects.toMatchObject({ code: 'disk-full', fields: { neededBytes: plan.diskBytes, freeBytes: plan.diskBytes - 1 } });
    expect(server.requests).toHaveLength(before);
    await installCuda(plan, { ...options, freeBytes: async () => plan.diskBytes });
    expect(existsSync(plan.folder)).toBe(true);
  });

  it('refuses a package whose layout has changed', async () => {
    const { options } = await startIndex({ archives: { [cudnn]: zipArchive({ 'nvidia/cudnn/lib/libcudnn_graph.so.9': Buffer.from('g') }) } });
    const plan = await planInstall(options);
    await expect(installCuda(plan, options)).rejects.toThrow('nvidia-cudnn-cu13 does not hold libcudnn.so.9');
    expect(existsSync(plan.folder)).toBe(false);
  });

  it('lets one process at a time in, and takes over from one that has died', async () => {
    const { options } = await startIndex();
    const plan = await planInstall(options);
    put(join(options.installRoot, '.install.lock'), `${process.ppid}\n`);
    await expect(installCuda(plan, options)).rejects.toMatchObject({ code: 'setup-busy' });
    put(join(options.installRoot, '.install.lock'), '999999999\n');
    put(join(options.installRoot, '.staging-old', 'libcudart.so.13'), 'half');
    await installCuda(plan, options);
    expect(readdirSync(options.installRoot).filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('does not use a folder in which a file was cut short, and makes it anew', async () => {
    const { options } = await startIndex();
    const plan = await planInstall(options);
    await installCuda(plan, options);
    writeFileSync(join(plan.folder, 'libcudart.so.13'), 'short');
    expect(await findInstalled(options.installRoot)).toEqual([]);
    await installCuda(plan, options);
    expect(readFileSync(join(plan.folder, 'libcudart.so.13')).equals(elfLibrary('libcudart.so.13', { padding: 20_000 }))).toBe(true);
  });

  it('is refused where CUDA 13 does not exist', async () => {
    const { options } = await startIndex();
    await expect(planInstall({ ...options, platform: 'darwin', arch: 'arm64' })).rejects.toMatchObject({ code: 'cuda-unsupported' });
  });
});

describe('unpackWheel', () => {
  it('keeps to its folder, whatever the archive says', async () => {
    const folder = tempFolder();
    const evil = put(join(folder, 'evil.whl'), zipArchive({ '../../libevil.so.9': Buffer.from('x') }));
    await expect(unpackWheel(evil, /libevil/, folder)).rejects.toMatchObject({ code: 'package-content' });
    expect(existsSync(join(folder, '../../libevil.so.9'))).toBe(false);
  });

  it('refuses two files of one name, lengths that are not true, and what is no archive', async () => {
    const folder = tempFolder();
    const unpack = (name: string, archive: Buffer) => unpackWheel(put(join(folder, name), archive), /^lib/, tempFolder());
    await expect(unpack('twice.whl', zipArchive({ 'a/lib.so': Buffer.from('1'), 'b/lib.so': Buffer.from('2') }))).rejects.toThrow('holds lib.so twice');
    await expect(unpack('short.whl', zipArchive({ 'a/lib.so': Buffer.from('12345') }, { 'a/lib.so': 3 }))).rejects.toMatchObject({ code: 'package-content' });
    await expect(unpack('huge.whl', zipArchive({ 'a/lib.so': Buffer.from('1') }, { 'a/lib.so': 0xfffffffe }))).rejects.toMatchObject({ code: 'package-content' });
    await expect(unpack('text.whl', Buffer.from('not a zip'))).rejects.toThrow('text.whl is no readable archive');
    await expect(unpack('none.whl', zipArchive({ 'a/other.txt': Buffer.from('1') }))).rejects.toThrow('holds none of the expected libraries');
  });
});
