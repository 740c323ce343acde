/**
 * ONNX Runtime looks for its provider libraries beside its own library only. The two come from different packages,
 * so this lays them side by side: links where the system has them, copies elsewhere.
 */

import { createHash } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { CudaStatus } from './findCuda';

/**
 * A folder with `ortLibrary` (libonnxruntime.so.1, onnxruntime.dll) and the found provider libraries; give it to the engine as its runtime.
 * Made anew when one of them is another file than before. Two processes may do this at once.
 *
 * @param ortLibrary  Absolute path of the runtime that the extension ships.
 */
export async function makeRuntimeFolder(status: CudaStatus, ortLibrary: string, root: string, platform: NodeJS.Platform = process.platform): Promise<string> {
  const providers = status.libraries.flatMap((one) => (one.state === 'found' && one.library.isProvider ? [one.path] : []));
  if (providers.length > 0 && providers.every((path) => dirname(path) === dirname(ortLibrary))) {
    return dirname(ortLibrary);
  }
  // A link keeps the runtime's own files (its CPU kernels, WebGPU's shader compiler) in reach under their usual names.
  const beside = platform === 'win32' ? (await readdir(dirname(ortLibrary))).filter((name) => name.endsWith('.dll')).map((name) => join(dirname(ortLibrary), name)) : [ortLibrary];
  const sources = [...new Set([...beside, ...providers])].map((path) => resolve(path));
  const facts = await Promise.all(sources.map(async (path) => `${path} ${(await stat(path)).size} ${(await stat(path)).mtimeMs}`));
  const folder = join(root, `.runtime-${createHash('sha256').update(facts.join('\n')).digest('hex').slice(0, 12)}`);
  if (await stat(folder).then(() => true, () => false)) {
    return folder;
  }
  const staging = `${folder}-${process.pid}`;
  await mkdir(staging, { recursive: true });
  await Promise.all(sources.map((path) => (platform === 'win32' ? copyFile(path, join(staging, basename(path))) : symlink(path, join(staging, basename(path))))));
  await rename(staging, folder).catch(async (error: NodeJS.ErrnoException) => {
    await rm(staging, { recursive: true, force: true });
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST' && error.code !== 'EPERM') {
      throw error;
    }
  });
  return folder;
}
