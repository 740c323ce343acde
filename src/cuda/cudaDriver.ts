/** The CUDA driver library, loaded through koffi, and the one way to call it. */

import koffi from 'koffi';
import { CudaError, CudaUnavailableError } from './cudaError';
import { driverFunctions, type DriverFunction } from './driverTable';

type NativeLibrary = ReturnType<typeof koffi.load>;
type NativeFunction = ((...args: unknown[]) => number) & { async: (...args: unknown[]) => void };

/** Loaded drivers, for the life of the process. */
const drivers = new Map<string, CudaDriver>();

/** One per process. Loads lazily bound functions, so that an old driver fails only where it lacks something that is needed. */
export class CudaDriver {
  private readonly bound = new Map<DriverFunction, NativeFunction>();

  private constructor(private readonly library: NativeLibrary) {}

  /**
   * Loads and initialises the driver.
   * @param path  Overrides the library's name; for tests and unusual systems.
   * @throws {CudaUnavailableError} when the library can't be loaded or `cuInit` finds no usable device.
   */
  static load(path: string = process.platform === 'win32' ? 'nvcuda.dll' : 'libcuda.so.1'): CudaDriver {
    const known = drivers.get(path);
    if (known !== undefined) {
      return known;
    }
    let library: NativeLibrary;
    try {
      library = koffi.load(path);
    } catch (error) {
      throw new CudaUnavailableError(`the driver library ${path} can't be loaded (${error instanceof Error ? error.message : String(error)}).`, error);
    }
    const driver = new CudaDriver(library);
    const status = driver.status('cuInit', 0);
    if (status !== 0) {
      throw new CudaUnavailableError(`cuInit answered ${driver.nameOf(status)}: ${driver.descriptionOf(status)}.`);
    }
    drivers.set(path, driver);
    return driver;
  }

  /** Calls a function and throws {@link CudaError} unless it succeeds. Short calls only: the event loop waits. */
  call(name: DriverFunction, ...args: unknown[]): void {
    this.check(name, this.status(name, ...args));
  }

  /** The same on a worker thread, for calls that may take more than 20 ms. The thread's current context is not the caller's: see {@link CudaContext}. */
  async callAsync(name: DriverFunction, ...args: unknown[]): Promise<void> {
    const native = this.function(name);
    const status = await new Promise<number>((resolve, reject) => {
      native.async(...args, (error: Error | null, result: number) => (error === null ? resolve(result) : reject(error)));
    });
    this.check(name, status);
  }

  /** The raw CUresult, for callers to whom a failure is an answer. */
  status(name: DriverFunction, ...args: unknown[]): number {
    return this.function(name)(...args);
  }

  /** For example 13000 for CUDA 13.0: the newest CUDA this driver serves. */
  cudaVersion(): number {
    const version = [0];
    this.call('cuDriverGetVersion', version);
    return version[0] ?? 0;
  }

  /** Throws {@link CudaError} unless `status`, from {@link status}, is success. */
  check(name: DriverFunction, status: number): void {
    if (status !== 0) {
      throw new CudaError(name, status, this.nameOf(status), this.descriptionOf(status));
    }
  }

  private nameOf(status: number): string {
    const out: (string | null)[] = [null];
    return this.status('cuGetErrorName', status, out) === 0 && out[0] ? out[0] : `status ${status}`;
  }

  private descriptionOf(status: number): string {
    const out: (string | null)[] = [null];
    return this.status('cuGetErrorString', status, out) === 0 && out[0] ? out[0] : 'no description';
  }

  private function(name: DriverFunction): NativeFunction {
    let native = this.bound.get(name);
    if (native === undefined) {
      try {
        native = this.library.func(driverFunctions[name]) as unknown as NativeFunction;
      } catch (error) {
        throw new CudaUnavailableError(`this driver lacks ${name}; it is too old.`, error);
      }
      this.bound.set(name, native);
    }
    return native;
  }
}
