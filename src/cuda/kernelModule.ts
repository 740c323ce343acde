/** Compiled kernels on one device: loading, launching, and capturing a sequence of launches as a graph. */

import koffi from 'koffi';
import type { CudaContext } from './cudaContext';

/** A kernel argument in C's layout: a device address, or bytes of a by-value struct or number. */
export type KernelArgument = bigint | number | Uint8Array;

export interface LaunchShape {
  readonly grid: readonly [number, number?, number?];
  readonly threads: number;
  /** Dynamic shared memory. */
  readonly sharedBytes?: number;
  /** Lets the kernel start before the one before it has ended; it must wait by itself (griddepcontrol.wait). Needs compute capability 9.0. */
  readonly overlapsPrevious?: boolean;
  /** Its blocks wait for each other, so all of them start or none: an error when the device can't hold them at once. */
  readonly isCooperative?: boolean;
}

const maxDynamicSharedAttribute = 8;
/** CUlaunchAttributeID. */
const launchAttributes = { cooperative: 2, programmaticSerialization: 6 } as const;
const launchAttributeBytes = 72;
const defaultSharedLimitBytes = 48 * 1024;

/** Owns a module. Kernels may be launched until `dispose`. */
export class KernelModule implements Disposable {
  private module: unknown;
  private readonly kernels = new Map<string, unknown>();

  /** @param image  A cubin for this device's architecture. */
  constructor(
    private readonly context: CudaContext,
    image: Buffer,
  ) {
    const out: unknown[] = [null];
    context.enter();
    context.driver.call('cuModuleLoadData', out, image);
    this.module = out[0];
  }

  /** Puts a launch on `stream`. The arguments are copied at once. */
  launch(name: string, shape: LaunchShape, stream: unknown, args: readonly KernelArgument[]): void {
    const { values, addresses } = packArguments(args);
    const config = Buffer.alloc(56);
    [shape.grid[0], shape.grid[1] ?? 1, shape.grid[2] ?? 1, shape.threads, 1, 1, shape.sharedBytes ?? 0].forEach((value, index) => config.writeUInt32LE(value, index * 4));
    config.writeBigUInt64LE(koffi.address(stream), 32);
    const wanted = [...(shape.overlapsPrevious ? [launchAttributes.programmaticSerialization] : []), ...(shape.isCooperative ? [launchAttributes.cooperative] : [])];
    const attributes = Buffer.alloc(Math.max(1, wanted.length) * launchAttributeBytes);
    wanted.forEach((id, index) => {
      attributes.writeUInt32LE(id, index * launchAttributeBytes);
      attributes.writeUInt32LE(1, index * launchAttributeBytes + 8);
    });
    if (wanted.length > 0) {
      config.writeBigUInt64LE(koffi.address(attributes), 40);
      config.writeUInt32LE(wanted.length, 48);
    }
    this.context.enter();
    this.context.driver.call('cuLaunchKernelEx', config, this.kernel(name, shape.sharedBytes ?? 0), addresses, null);
    keep(values, attributes);
  }

  dispose(): void {
    if (this.module !== undefined) {
      this.context.enter();
      this.context.driver.call('cuModuleUnload', this.module);
      this.module = undefined;
      this.kernels.clear();
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  private kernel(name: string, sharedBytes: number): unknown {
    let kernel = this.kernels.get(name);
    if (kernel === undefined) {
      const out: unknown[] = [null];
      this.context.driver.call('cuModuleGetFunction', out, this.module, name);
      kernel = out[0];
      this.kernels.set(name, kernel);
    }
    if (sharedBytes > defaultSharedLimitBytes) {
      this.context.driver.call('cuFuncSetAttribute', kernel, maxDynamicSharedAttribute, sharedBytes);
    }
    return kernel;
  }
}

/** A captured sequence of launches that is replayed with one call. */
export class KernelGraph implements Disposable {
  private executable: unknown;

  private constructor(
    private readonly context: CudaContext,
    executable: unknown,
  ) {
    this.executable = executable;
  }

  /** Records what `launches` puts on `stream`; nothing runs yet. */
  static capture(context: CudaContext, stream: unknown, launches: () => void): KernelGraph {
    const relaxed = 2;
    context.enter();
    context.driver.call('cuStreamBeginCapture_v2', stream, relaxed);
    let failure: unknown;
    try {
      launches();
    } catch (error) {
      failure = error;
    }
    const graph: unknown[] = [null];
    context.driver.call('cuStreamEndCapture', stream, graph);
    if (failure !== undefined) {
      throw failure;
    }
    const executable: unknown[] = [null];
    context.driver.call('cuGraphInstantiateWithFlags', executable, graph[0], 0);
    context.driver.call('cuGraphDestroy', graph[0]);
    return new KernelGraph(context, executable[0]);
  }

  replay(stream: unknown): void {
    this.context.enter();
    this.context.driver.call('cuGraphLaunch', this.executable, stream);
  }

  dispose(): void {
    if (this.executable !== undefined) {
      this.context.enter();
      this.context.driver.call('cuGraphExecDestroy', this.executable);
      this.executable = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Numbers become i32, addresses u64, structs their bytes; each aligned to 16 so that any alignment is met. */
function packArguments(args: readonly KernelArgument[]): { readonly values: Buffer; readonly addresses: BigUint64Array } {
  const sizes = args.map((arg) => (typeof arg === 'object' ? Math.ceil(arg.length / 16) * 16 : 16));
  const values = Buffer.alloc(sizes.reduce((sum, size) => sum + size, 0) + 16);
  const base = koffi.address(values);
  const aligned = (base + 15n) & ~15n;
  let at = Number(aligned - base);
  const addresses = new BigUint64Array(Math.max(1, args.length));
  args.forEach((arg, index) => {
    if (typeof arg === 'bigint') {
      values.writeBigUInt64LE(arg, at);
    } else if (typeof arg === 'number') {
      values.writeInt32LE(arg, at);
    } else {
      values.set(arg, at);
    }
    addresses[index] = base + BigInt(at);
    at += sizes[index] ?? 16;
  });
  return { values, addresses };
}

/** Its arguments are still referenced when this is called: buffers whose address C got must not be collected before. */
function keep(..._buffers: readonly unknown[]): void {}
