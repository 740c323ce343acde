/** Tensors as the runtime holds them. */

import { dtypeBytes, onnxElementTypes, type DType } from '../common/dtype';
import { GlmError } from '../common/errors';
import { Handle } from './handle';
import type { Env } from './env';
import { readMemoryName, type Allocator, type MemoryInfo } from './memory';
import { addressOf } from './nativeBytes';
import { callForPointer, type OrtLibrary } from './ortLibrary';

/** A typed array that can back a tensor. */
export type HostArray = Float32Array | Uint16Array | Int32Array | BigInt64Array | Uint8Array | Int8Array | Float64Array;

const arrayTypes: Readonly<Partial<Record<DType, readonly (new (length: number) => HostArray)[]>>> = {
  f32: [Float32Array],
  f16: [Uint16Array],
  bf16: [Uint16Array],
  i32: [Int32Array],
  i64: [BigInt64Array],
  u8: [Uint8Array],
  i8: [Int8Array],
  f64: [Float64Array],
};

/** A tensor. Releasing it does not release memory that it only points at, but keeps that memory's JavaScript owner alive until then. */
export class Value extends Handle {
  private constructor(
    readonly library: OrtLibrary,
    readonly dtype: DType,
    readonly shape: readonly number[],
    pointer: bigint,
    /** Whatever owns the bytes; held so that it outlives the tensor. */
    readonly owner: unknown,
  ) {
    super('A tensor', pointer, (value) => library.call('ReleaseValue', value));
  }

  /** A tensor over a typed array of this process; both sides see each other's writes. */
  static overArray(info: MemoryInfo, array: HostArray, dtype: DType, shape: readonly number[]): Value {
    if (!arrayTypes[dtype]?.some((type) => array instanceof type) || array.length !== countElements(shape)) {
      throw new GlmError('tensor-mismatch', `A ${dtype}[${shape.join(', ')}] tensor needs ${countElements(shape)} elements of its type; the array has ${array.length} (${array.constructor.name}).`);
    }
    return Value.create(info, addressOf(array), array.byteLength, dtype, shape, array);
  }

  /**
   * A tensor over memory at an address, on whatever device `info` names.
   *
   * @param owner  Kept alive as long as the tensor; undefined when the caller sees to that.
   */
  static overAddress(info: MemoryInfo, address: bigint, dtype: DType, shape: readonly number[], owner?: unknown): Value {
    return Value.create(info, address, countElements(shape) * dtypeBytes[dtype], dtype, shape, owner);
  }

  /** A tensor in memory that an allocator of a session provides; the only way where memory has no address (WebGPU). */
  static allocate(allocator: Allocator, dtype: DType, shape: readonly number[]): Value {
    const { library } = allocator;
    const pointer = callForPointer(library, 'CreateTensorAsOrtValue', allocator.native, BigInt64Array.from(shape, BigInt), shape.length, onnxElementTypes[dtype]);
    return new Value(library, dtype, shape, pointer, allocator);
  }

  get byteLength(): number {
    return countElements(this.shape) * dtypeBytes[this.dtype];
  }

  /** Where it lies, as the runtime says: `Cpu`, `Cuda:1`, `WebGPU_Buf:0`. */
  get memoryName(): string {
    return readMemoryName(this.library, callForPointer(this.library, 'GetTensorMemoryInfo', this.native));
  }

  /** The address of the first element; on a device it must not be dereferenced here. */
  get dataAddress(): bigint {
    return callForPointer(this.library, 'GetTensorMutableData', this.native);
  }

  private static create(info: MemoryInfo, address: bigint, byteLength: number, dtype: DType, shape: readonly number[], owner: unknown): Value {
    const { library } = info;
    const dims = BigInt64Array.from(shape, BigInt);
    const pointer = callForPointer(library, 'CreateTensorWithDataAsOrtValue', info.native, address, byteLength, dims, shape.length, onnxElementTypes[dtype]);
    return new Value(library, dtype, shape, pointer, owner);
  }
}

/** Copies a tensor's bytes into another of the same type and shape, on whatever devices they lie. Returns when it is done, as far as later runs can tell. */
export function copyTensor(env: Env, from: Value, to: Value): void {
  env.library.call('CopyTensors', env.native, BigUint64Array.of(from.native), BigUint64Array.of(to.native), null, 1);
}

export function countElements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
