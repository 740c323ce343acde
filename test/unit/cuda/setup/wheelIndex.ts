/** A whole package index on 127.0.0.1 with small wheels in it. */

import { join } from 'node:path';
import type { InstallOptions } from '../../../../src/cuda/setup/installCuda';
import { elfLibrary, serveFile, sha256, startServer, tempFolder, zipArchive, type Answer } from './cudaFixtures';

/** Small wheels laid out as the real ones of November 2026 are. */
export const wheels: Readonly<Record<string, Readonly<Record<string, Buffer>>>> = {
  'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl': { 'nvidia/cu13/lib/libcudart.so.13': elfLibrary('libcudart.so.13', { padding: 20_000 }), 'nvidia/cu13/include/cuda.h': Buffer.from('//') },
  'nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl': { 'nvidia/cu13/lib/libcublas.so.13': elfLibrary('libcublas.so.13'), 'nvidia/cu13/lib/libcublasLt.so.13': elfLibrary('libcublasLt.so.13'), 'nvidia/cu13/lib/libnvblas.so.13': Buffer.from('x') },
  'nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl': { 'nvidia/cu13/lib/libcurand.so.10': elfLibrary('libcurand.so.10') },
  'nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux_2_12_x86_64.whl': { 'nvidia/cu13/lib/libnvrtc.so.13': elfLibrary('libnvrtc.so.13'), 'nvidia/cu13/lib/libnvrtc.alt.so.13': Buffer.from('x'), 'nvidia/cu13/lib/libnvrtc-builtins.so.13.0': Buffer.from('b') },
  'nvidia_cudnn_cu13-9.20.0.48-py3-none-manylinux_2_27_x86_64.whl': { 'nvidia/cudnn/lib/libcudnn.so.9': elfLibrary('libcudnn.so.9'), 'nvidia/cudnn/lib/libcudnn_graph.so.9': elfLibrary('libcudnn_graph.so.9'), 'nvidia/cudnn/lib/libcudnn_engines_tensor_ir.so.9': Buffer.from('t') },
  'onnxruntime_gpu-1.30.0-cp312-cp312-manylinux_2_28_x86_64.whl': { 'onnxruntime/capi/libonnxruntime_providers_cuda.so': elfLibrary(undefined), 'onnxruntime/capi/libonnxruntime_providers_shared.so': elfLibrary('libonnxruntime_providers_shared.so'), 'onnxruntime/capi/libonnxruntime_providers_tensorrt.so': Buffer.from('x') },
};

/** `nvidia_cublas-13.1…whl` belongs to the project `nvidia-cublas`. */
export const projectOf = (fileName: string): string => (fileName.split('-')[0] as string).replaceAll('_', '-');

/** Serves them as a package index does; `serve` lets single files misbehave. */
export async function startIndex(change: { readonly archives?: Readonly<Record<string, Buffer>>; readonly serve?: Readonly<Record<string, Answer>> } = {}) {
  const answers: Record<string, Answer> = {};
  for (const [fileName, entries] of Object.entries(wheels)) {
    const archive = change.archives?.[fileName] ?? zipArchive(entries);
    answers[`/files/${fileName}`] = change.serve?.[fileName] ?? serveFile(archive);
    answers[`/simple/${projectOf(fileName)}/`] = (_request, response) =>
      void response
        .writeHead(200, { 'content-type': 'application/vnd.pypi.simple.v1+json' })
        .end(JSON.stringify({ files: [{ filename: fileName, url: `/files/${fileName}`, hashes: { sha256: sha256(archive) }, size: archive.length }] }));
  }
  const server = await startServer(answers);
  const options: InstallOptions = { platform: 'linux', arch: 'x64', installRoot: join(tempFolder(), 'cuda'), indexUrl: `${server.url}/simple`, http: { proxy: '' }, retryDelayMs: 1 };
  return { server, options };
}
