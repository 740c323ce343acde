/** Finds, loads and calls libonnxruntime. The only file that knows how a C function is reached; everything else names it. */

import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import koffi from 'koffi';
import { ortFunctions, type OrtFunctionName, type OrtFunctionSpec } from './functionTable';
import { OrtCallError, OrtLibraryError, OrtTooOldError } from './ortErrors';

/** Arguments as koffi takes them: handles and addresses as bigint, buffers as typed arrays, texts as strings. */
export type NativeArgument = bigint | number | boolean | string | null | ArrayBufferView | readonly string[];

/** The newest table this program knows, and the oldest it can work with (memory info of inputs and outputs came with 1.23). */
const newestApiVersion = 30;
const oldestApiVersion = 23;

// Koffi runs calls on stacks of its own. Its 128 KiB for asynchronous ones are too few for graph optimisation and kernels,
// and the size can be set only before the first library is loaded, hence here, while modules are evaluated.
const asyncStackBytes = 8 * 1024 * 1024;
try {
  koffi.config({ async_stack_size: asyncStackBytes, sync_stack_size: asyncStackBytes });
} catch {
  // Another bundle in this process loaded a library first; loadOrtLibrary checks what is in force.
}

// Paths are UTF-16 on Windows and bytes elsewhere (ORTCHAR_T).
koffi.alias('OrtPathText', process.platform === 'win32' ? 'char16_t' : 'char');

/**
 * Where libonnxruntime is: `override` (a file, or a folder that holds one), else GLM_ORT_LIBRARY, else the file in the onnxruntime-node package.
 *
 * @throws {OrtLibraryError} when there is none for this platform.
 */
export function locateOrtLibrary(override?: string): string {
  const named = override ?? process.env.GLM_ORT_LIBRARY;
  const fileNames = { win32: ['onnxruntime.dll'], darwin: ['libonnxruntime.1.dylib', 'libonnxruntime.dylib'] }[process.platform as 'win32' | 'darwin'] ?? [
    'libonnxruntime.so.1',
    'libonnxruntime.so',
  ];
  if (named !== undefined && named !== '') {
    if (!existsSync(named)) {
      throw new OrtLibraryError(named, 'there is no such file.');
    }
    const candidates = statSync(named).isDirectory() ? fileNames.map((file) => join(named, file)) : [named];
    const found = candidates.find((file) => existsSync(file));
    if (found === undefined) {
      throw new OrtLibraryError(named, `the folder holds no ${fileNames.join(' or ')}.`);
    }
    return found;
  }
  let packageFolder: string;
  try {
    packageFolder = dirname(createRequire(__filename).resolve('onnxruntime-node/package.json'));
  } catch (cause) {
    throw new OrtLibraryError('onnxruntime-node', 'the package is missing.', cause);
  }
  const folder = join(packageFolder, 'bin', 'napi-v6', process.platform, process.arch);
  const found = fileNames.map((file) => join(folder, file)).find((file) => existsSync(file));
  if (found === undefined) {
    throw new OrtLibraryError(folder, `the package has no library for ${process.platform} on ${process.arch}.`);
  }
  return found;
}

/** The loaded library. Lives as long as the process: an unloaded runtime leaves threads behind. */
export interface OrtLibrary {
  readonly path: string;
  /** Such as `1.30.0`. */
  readonly version: string;
  readonly apiVersion: number;
  has(name: OrtFunctionName): boolean;
  /** Calls a function and waits. A status becomes an {@link OrtCallError}; other results are returned. */
  call(name: OrtFunctionName, ...args: readonly NativeArgument[]): unknown;
  /** Calls a status function on a worker thread, so that this one stays live. Arguments are kept alive and in place until it settles. */
  callAsync(name: OrtFunctionName, ...args: readonly NativeArgument[]): Promise<void>;
}

type NativeFunction = ReturnType<ReturnType<typeof koffi.load>['func']>;

const loaded = new Map<string, OrtLibrary>();

/** Held for good: koffi unloads a library whose handle is collected, and the table below would point into nothing. */
const nativeHandles: ReturnType<typeof koffi.load>[] = [];

/** Loads the library once per path. @throws {OrtLibraryError} */
export function loadOrtLibrary(override?: string): OrtLibrary {
  const path = locateOrtLibrary(override);
  const known = loaded.get(path) ?? openLibrary(path);
  loaded.set(path, known);
  return known;
}

function openLibrary(path: string): OrtLibrary {
  if (Number(koffi.config().async_stack_size ?? 0) < asyncStackBytes) {
    throw new OrtLibraryError(path, 'another native library was loaded before the call stacks could be sized.');
  }
  let base: bigint;
  try {
    const handle = koffi.load(path);
    nativeHandles.push(handle);
    base = handle.func('OrtGetApiBase', 'void *', [])() as bigint;
  } catch (cause) {
    throw new OrtLibraryError(path, `${cause instanceof Error ? cause.message : String(cause)}.`, cause);
  }
  // struct OrtApiBase { const OrtApi *(*GetApi)(uint32_t version); const char *(*GetVersionString)(); }
  const version = koffi.call(koffi.decode(base, 8, 'void *'), koffi.proto('const char *(void)')) as string;
  const apiVersion = Math.min(newestApiVersion, Number(version.split('.')[1]));
  const api =
    apiVersion >= oldestApiVersion ? (koffi.call(koffi.decode(base, 0, 'void *'), koffi.proto('void *(uint32_t version)'), apiVersion) as bigint | null) : null;
  if (api === null) {
    throw new OrtLibraryError(path, `its version is ${version}.`);
  }

  const bound = new Map<OrtFunctionName, NativeFunction>();
  const bind = (name: OrtFunctionName): NativeFunction => {
    const known = bound.get(name);
    if (known !== undefined) {
      return known;
    }
    const spec: OrtFunctionSpec = ortFunctions[name];
    if (spec.since > apiVersion) {
      throw new OrtTooOldError(name, spec.since, version);
    }
    const returns = { status: 'void *', void: 'void', string: 'const char *', int: 'int', pointer: 'void *' }[spec.returns];
    const address = koffi.decode(api, spec.index * 8, 'void *') as bigint;
    const bind = koffi.decode(address, koffi.proto(`${returns} (${spec.params === '' ? 'void' : spec.params})`)) as NativeFunction;
    bound.set(name, bind);
    return bind;
  };

  /** The one place where a status becomes an error. */
  const check = (name: OrtFunctionName, status: bigint | null): void => {
    if (status !== null) {
      const text = bind('GetErrorMessage')(status) as string;
      const code = bind('GetErrorCode')(status) as number;
      bind('ReleaseStatus')(status);
      throw new OrtCallError(name, code, text);
    }
  };

  // Arguments of calls under way: nothing else may hold on to them, and a collected buffer would be written to by the worker thread.
  const inFlight = new Set<readonly NativeArgument[]>();
  return {
    path,
    version,
    apiVersion,
    has: (name) => ortFunctions[name].since <= apiVersion,
    call: (name, ...args) => {
      const result: unknown = bind(name)(...args);
      if (ortFunctions[name].returns !== 'status') {
        return result;
      }
      check(name, result as bigint | null);
      return undefined;
    },
    callAsync: (name, ...args) =>
      new Promise((resolve, reject) => {
        args.forEach(pinArray);
        inFlight.add(args);
        bind(name).async(...args, (error: Error | null, status: bigint | null) => {
          inFlight.delete(args);
          try {
            if (error !== null) {
              throw error;
            }
            check(name, status);
            resolve();
          } catch (failure) {
            reject(failure as Error);
          }
        });
      }),
  };
}

/** V8 keeps small typed arrays inside its moving heap until their buffer is asked for; from then on their bytes stay where they are. */
function pinArray(argument: NativeArgument): void {
  if (ArrayBuffer.isView(argument)) {
    void argument.buffer;
  }
}

/** Calls a function whose last parameter is an out-pointer and returns what it wrote there. */
export function callForPointer(library: OrtLibrary, name: OrtFunctionName, ...args: readonly NativeArgument[]): bigint {
  const out = new BigUint64Array(1);
  library.call(name, ...args, out);
  return out[0] ?? 0n;
}

/** The zero-terminated UTF-8 text at an address. */
export function readText(address: bigint): string {
  return koffi.decode(address, 'char', -1) as string;
}

/** `count` pointers at an address. */
export function readPointers(address: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => koffi.decode(address, index * 8, 'void *') as bigint);
}

/** `count` texts, given the address of an array of pointers to them. */
export function readTexts(address: bigint, count: number): string[] {
  return readPointers(address, count).map(readText);
}
