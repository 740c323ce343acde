/** The process-wide runtime environment. */

import { callForPointer, loadOrtLibrary, readTexts, type OrtLibrary } from './ortLibrary';
import { Handle } from './handle';

/** 0 verbose … 4 fatal. Messages below it are dropped; the rest go to stderr. */
export type OrtSeverity = 0 | 1 | 2 | 3 | 4;

/** The runtime keeps one environment per process; a second `Env` shares it and must be disposed as well. */
export class Env extends Handle {
  private constructor(
    readonly library: OrtLibrary,
    pointer: bigint,
  ) {
    super('The runtime environment', pointer, (env) => library.call('ReleaseEnv', env));
  }

  /** Loads the library when needed. @throws {OrtLibraryError} */
  static open(options: { readonly library?: string; readonly severity?: OrtSeverity } = {}): Env {
    const library = loadOrtLibrary(options.library);
    const env = new Env(library, callForPointer(library, 'CreateEnv', options.severity ?? 3, 'glm-local'));
    // Nothing is sent anywhere, the runtime's own events on Windows included.
    library.call('DisableTelemetryEvents', env.native);
    return env;
  }

  /** Names of the execution providers that this build of the library knows, such as `CUDAExecutionProvider`. */
  availableProviders(): string[] {
    return readProviderNames(this.library);
  }

  /** Registers a plugin execution provider's library under a name of the caller's choice. */
  registerProviderLibrary(name: string, path: string): void {
    this.library.call('RegisterExecutionProviderLibrary', this.native, name, path);
  }
}

function readProviderNames(library: OrtLibrary): string[] {
  const list = new BigUint64Array(1);
  const count = new Int32Array(1);
  library.call('GetAvailableProviders', list, count);
  const address = list[0] ?? 0n;
  const names = readTexts(address, count[0] ?? 0);
  library.call('ReleaseAvailableProviders', address, count[0] ?? 0);
  return names;
}
