/** One GPU's primary context (the one ONNX Runtime uses too) and what is done in it: memory, copies, streams. */

import type { CudaDriver } from './cudaDriver';
import { deviceAttributes } from './driverTable';

/** Facts about a GPU. The ordinal is CUDA's own, after CUDA_VISIBLE_DEVICES. */
export interface CudaDeviceFacts {
  readonly ordinal: number;
  readonly name: string;
  readonly pciBusId: string;
  readonly totalBytes: number;
  readonly multiprocessorCount: number;
  /** For example 90 for compute capability 9.0. */
  readonly computeCapability: number;
  /** Most shared memory of one block. */
  readonly sharedBytesPerBlock: number;
}

/** How many GPUs this process sees. */
export function countCudaDevices(driver: CudaDriver): number {
  const count = [0];
  driver.call('cuDeviceGetCount', count);
  return count[0] ?? 0;
}

/**
 * Owns a reference to a device's primary context. Release it with `dispose`; disposing twice is harmless.
 *
 * Every method makes the context current on the calling thread first, since the driver keeps the current context per thread.
 */
export class CudaContext implements Disposable {
  readonly facts: CudaDeviceFacts;
  private handle: unknown;

  constructor(
    readonly driver: CudaDriver,
    readonly ordinal: number,
  ) {
    this.facts = readFacts(driver, ordinal);
    const out: unknown[] = [null];
    driver.call('cuDevicePrimaryCtxRetain', out, ordinal);
    this.handle = out[0];
  }

  /** Makes this context the calling thread's current one, as every driver call that means this device needs. */
  enter(): void {
    this.driver.call('cuCtxSetCurrent', this.current());
  }

  /** Free and total bytes as the driver reports them now, other processes included. */
  memoryInfo(): { readonly freeBytes: number; readonly totalBytes: number } {
    const free = [0];
    const total = [0];
    this.enter();
    this.driver.call('cuMemGetInfo_v2', free, total);
    return { freeBytes: Number(free[0]), totalBytes: Number(total[0]) };
  }

  /** @returns the device address of `bytes` uninitialised bytes, owned by the caller until {@link free}. */
  allocate(bytes: number): bigint {
    const out = [0n];
    this.enter();
    this.driver.call('cuMemAlloc_v2', out, bytes);
    return BigInt(out[0] ?? 0n);
  }

  free(address: bigint): void {
    this.enter();
    this.driver.call('cuMemFree_v2', address);
  }

  fillBytes(address: bigint, value: number, count: number): void {
    this.enter();
    this.driver.call('cuMemsetD8_v2', address, value, count);
  }

  /** Copies a typed array to the device and waits until it is there: the driver returns once a small array is staged, and other streams do not wait for it. */
  upload(to: bigint, from: ArrayBufferView): void {
    this.enter();
    this.driver.call('cuMemcpyHtoD_v2', to, from, from.byteLength);
    this.driver.call('cuCtxSynchronize');
  }

  /** Copies device memory into a typed array and waits; the array's length says how much. */
  download(to: ArrayBufferView, from: bigint): void {
    this.enter();
    this.driver.call('cuMemcpyDtoH_v2', to, from, to.byteLength);
  }

  /** Copies between two places on this device. */
  copyWithin(to: bigint, from: bigint, bytes: number): void {
    this.enter();
    this.driver.call('cuMemcpyDtoD_v2', to, from, bytes);
  }

  /** Copies from another device: directly where the hardware allows it, through the host by the driver otherwise. Waits. */
  copyFromPeer(to: bigint, peer: CudaContext, from: bigint, bytes: number): void {
    this.enter();
    this.driver.call('cuMemcpyPeer', to, this.current(), from, peer.current(), bytes);
  }

  /** True when this device can read `peer`'s memory directly (NVLink or PCIe peer access). */
  canAccessPeer(peer: CudaContext): boolean {
    const can = [0];
    this.driver.call('cuDeviceCanAccessPeer', can, this.ordinal, peer.ordinal);
    return can[0] === 1;
  }

  /** Lets this device reach `peer`'s memory directly, where the hardware can; copies from there then need no detour over the host. */
  enablePeerAccess(peer: CudaContext): void {
    const alreadyEnabled = 704;
    if (peer.ordinal === this.ordinal || !this.canAccessPeer(peer)) {
      return;
    }
    this.enter();
    const status = this.driver.status('cuCtxEnablePeerAccess', peer.current(), 0);
    if (status !== alreadyEnabled) {
      this.driver.check('cuCtxEnablePeerAccess', status);
    }
  }

  /** Page-locked host memory, which the device can copy from while the processor does other things. */
  allocatePinned(bytes: number): bigint {
    const portable = 1;
    const out = [0n];
    this.enter();
    this.driver.call('cuMemHostAlloc', out, bytes, portable);
    return BigInt(out[0] ?? 0n);
  }

  freePinned(address: bigint): void {
    this.enter();
    this.driver.call('cuMemFreeHost', address);
  }

  createStream(): unknown {
    const nonBlocking = 1;
    const out: unknown[] = [null];
    this.enter();
    this.driver.call('cuStreamCreate', out, nonBlocking);
    return out[0];
  }

  /** Starts a copy from pinned memory; it runs after what was put on `stream` before. */
  uploadAsync(to: bigint, fromPinned: bigint, bytes: number, stream: unknown): void {
    this.enter();
    this.driver.call('cuMemcpyHtoDAsync_v2', to, fromPinned, bytes, stream);
  }

  /** Waits for a stream on a worker thread, so that the event loop lives. */
  async waitForStream(stream: unknown): Promise<void> {
    this.enter();
    await this.driver.callAsync('cuStreamSynchronize', stream);
  }

  /** The same without leaving this thread, for waits of microseconds. */
  waitForStreamNow(stream: unknown): void {
    this.enter();
    this.driver.call('cuStreamSynchronize', stream);
  }

  destroyStream(stream: unknown): void {
    this.enter();
    this.driver.call('cuStreamDestroy_v2', stream);
  }

  /** Waits until the device has done everything this process asked of it. */
  synchronize(): void {
    this.enter();
    this.driver.call('cuCtxSynchronize');
  }

  dispose(): void {
    if (this.handle !== undefined) {
      this.handle = undefined;
      this.driver.call('cuDevicePrimaryCtxRelease_v2', this.ordinal);
    }
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** The driver's handle, for calls that name two contexts. */
  current(): unknown {
    if (this.handle === undefined) {
      throw new Error(`CudaContext of cuda:${this.ordinal} was used after dispose.`);
    }
    return this.handle;
  }
}

function readFacts(driver: CudaDriver, ordinal: number): CudaDeviceFacts {
  const attribute = (number: number): number => {
    const value = [0];
    driver.call('cuDeviceGetAttribute', value, number, ordinal);
    return value[0] ?? 0;
  };
  const text = (call: 'cuDeviceGetName' | 'cuDeviceGetPCIBusId'): string => {
    const buffer = Buffer.alloc(256);
    driver.call(call, buffer, buffer.length, ordinal);
    return buffer.toString('utf8', 0, Math.max(0, buffer.indexOf(0)));
  };
  const total = [0];
  driver.call('cuDeviceTotalMem_v2', total, ordinal);
  return {
    ordinal,
    name: text('cuDeviceGetName'),
    pciBusId: text('cuDeviceGetPCIBusId'),
    totalBytes: Number(total[0]),
    multiprocessorCount: attribute(deviceAttributes.multiprocessorCount),
    computeCapability: attribute(deviceAttributes.computeCapabilityMajor) * 10 + attribute(deviceAttributes.computeCapabilityMinor),
    sharedBytesPerBlock: attribute(deviceAttributes.sharedBytesPerBlock),
  };
}
