/** CUDA C++ compiled at run time for the very GPU that is there, through NVIDIA's NVRTC library. */

import koffi from 'koffi';
import { GlmError } from '../common/errors';

/**
 * Kernels could not be compiled.
 *
 * Cause: NVRTC is missing, or too old for the GPU; a compiler message means a defect of ours. Handled by: the engine, which decodes with the runtime's kernels instead and says so.
 */
export class KernelCompileError extends GlmError {
  constructor(reason: string, cause?: unknown) {
    super('cuda-kernels-unavailable', `The fused decode kernels can't be built: ${reason} Decoding goes on with ONNX Runtime's kernels, which are slower.`, { cause });
  }
}

const signatures = {
  nvrtcCreateProgram: 'int nvrtcCreateProgram(_Out_ void **program, const char *source, const char *name, int numHeaders, void *headers, void *includeNames)',
  nvrtcCompileProgram: 'int nvrtcCompileProgram(void *program, int numOptions, const char **options)',
  nvrtcGetProgramLogSize: 'int nvrtcGetProgramLogSize(void *program, _Out_ size_t *bytes)',
  nvrtcGetProgramLog: 'int nvrtcGetProgramLog(void *program, void *log)',
  nvrtcGetCUBINSize: 'int nvrtcGetCUBINSize(void *program, _Out_ size_t *bytes)',
  nvrtcGetCUBIN: 'int nvrtcGetCUBIN(void *program, void *image)',
  nvrtcDestroyProgram: 'int nvrtcDestroyProgram(void *programPointer)',
} as const;

/**
 * Compiles `source` to machine code of one architecture. Takes one to three seconds; runs on a worker thread.
 *
 * @param computeCapability  For example 90.
 * @param defines  Macros, name → value.
 * @param library  NVRTC's file name or path.
 * @returns the cubin, ready for cuModuleLoadData.
 * @throws {KernelCompileError} with the compiler's log when it refuses.
 */
export async function compileKernels(source: string, computeCapability: number, defines: Readonly<Record<string, string | number>>, library = defaultLibrary()): Promise<Buffer> {
  const nvrtc = load(library);
  const program: unknown[] = [null];
  check('nvrtcCreateProgram', nvrtc.nvrtcCreateProgram(program, source, 'glm_decode.cu', 0, null, null));
  try {
    const options = [`--gpu-architecture=sm_${computeCapability}`, '--std=c++17', ...Object.entries(defines).map(([name, value]) => `-D${name}=${value}`)];
    const status = await new Promise<number>((resolve, reject) => {
      nvrtc.nvrtcCompileProgram.async(program[0], options.length, options, (error: Error | null, result: number) => (error === null ? resolve(result) : reject(error)));
    });
    if (status !== 0) {
      throw new KernelCompileError(`NVRTC answered ${status}: ${readLog(nvrtc, program[0])}.`);
    }
    const size = [0];
    check('nvrtcGetCUBINSize', nvrtc.nvrtcGetCUBINSize(program[0], size));
    const image = Buffer.alloc(Number(size[0]));
    check('nvrtcGetCUBIN', nvrtc.nvrtcGetCUBIN(program[0], image));
    return image;
  } finally {
    nvrtc.nvrtcDestroyProgram(BigUint64Array.of(koffi.address(program[0])));
  }
}

type NativeFunction = ((...args: unknown[]) => number) & { async: (...args: unknown[]) => void };
type Nvrtc = Record<keyof typeof signatures, NativeFunction>;

const loaded = new Map<string, Nvrtc>();

/** Held for good: koffi unloads a library whose handle is collected. */
const handles: ReturnType<typeof koffi.load>[] = [];

function load(path: string): Nvrtc {
  let functions = loaded.get(path);
  if (functions === undefined) {
    try {
      const library = koffi.load(path);
      handles.push(library);
      functions = Object.fromEntries(Object.entries(signatures).map(([name, signature]) => [name, library.func(signature)])) as unknown as Nvrtc;
    } catch (error) {
      throw new KernelCompileError(`${path} can't be loaded (${error instanceof Error ? error.message : String(error)}).`, error);
    }
    loaded.set(path, functions);
  }
  return functions;
}

function defaultLibrary(): string {
  return process.platform === 'win32' ? 'nvrtc64_130_0.dll' : 'libnvrtc.so.13';
}

function readLog(nvrtc: Nvrtc, program: unknown): string {
  const size = [0];
  nvrtc.nvrtcGetProgramLogSize(program, size);
  const log = Buffer.alloc(Math.max(1, Number(size[0])));
  nvrtc.nvrtcGetProgramLog(program, log);
  return log.toString('utf8').replace(/\0+$/, '').trim();
}

function check(call: string, status: number): void {
  if (status !== 0) {
    throw new KernelCompileError(`${call} answered ${status}.`);
  }
}
