/**
 * An operator of our own inside a graph: the runtime calls back here when it comes to such a node.
 *
 * The C structure OrtCustomOp is a table of functions; the fields up to version 16 are filled and that version is declared, so that later ones are never read.
 * While a session is created the runtime asks from the thread that creates it, and koffi brings the question to this one: the event loop must be free then.
 *
 * @see onnxruntime/core/session/onnxruntime_c_api.h, struct OrtCustomOp
 */

import koffi from 'koffi';
import { onnxElementTypes, type DType } from '../common/dtype';
import { Handle } from './handle';
import { addressOf } from './nativeBytes';
import { callForPointer, type OrtLibrary } from './ortLibrary';
import type { SessionOptions } from './session';

export interface CustomOpSpec {
  readonly name: string;
  /** Such as `CUDAExecutionProvider`; undefined is the CPU. */
  readonly provider?: string;
  readonly inputs: readonly DType[];
  readonly outputs: readonly DType[];
  /** Runs or queues one node's work. What it throws ends the run with its message. */
  readonly compute: (node: CustomOpNode) => void;
}

export interface CustomOpTensor {
  readonly address: bigint;
  readonly shape: readonly number[];
}

/** A node under way; valid within `compute` only. */
export interface CustomOpNode {
  input(index: number): CustomOpTensor;
  /** The address of an output, which gets this shape. */
  output(index: number, shape: readonly number[]): bigint;
}

const structVersion = 16;
const failCode = 1;

/** In the structure's order after its version; the last two of version 16 are CreateKernelV2, which is left out, and KernelComputeV2. */
const callbackTypes = {
  createKernel: koffi.proto('void *GlmOpCreateKernel(void *op, void *api, void *info)'),
  pointerOf: koffi.proto('void *GlmOpPointerOf(void *op)'),
  numberAt: koffi.proto('int GlmOpNumberAt(void *op, size_t index)'),
  countOf: koffi.proto('size_t GlmOpCountOf(void *op)'),
  numberOf: koffi.proto('int GlmOpNumberOf(void *op)'),
  compute: koffi.proto('void GlmOpCompute(void *kernel, void *context)'),
  destroy: koffi.proto('void GlmOpDestroy(void *kernel)'),
  computeV2: koffi.proto('void *GlmOpComputeV2(void *kernel, void *context)'),
} as const;

/** Operators under one domain name. Sessions made with {@link addTo}'s options must go before it. */
export class CustomOpDomain extends Handle {
  private readonly callbacks: bigint[] = [];
  /** The C structures and texts; the runtime keeps their addresses. */
  private readonly held: (BigUint64Array | Uint8Array)[] = [];

  constructor(
    private readonly library: OrtLibrary,
    readonly domain: string,
    ops: readonly CustomOpSpec[],
  ) {
    super('A domain of operators', callForPointer(library, 'CreateCustomOpDomain', domain), (handle) => library.call('ReleaseCustomOpDomain', handle));
    ops.forEach((op) => library.call('CustomOpDomain_Add', this.native, this.describe(op)));
  }

  addTo(options: SessionOptions): void {
    this.library.call('AddCustomOpDomain', options.native, this.native);
  }

  override dispose(): void {
    super.dispose();
    this.callbacks.splice(0).forEach((callback) => koffi.unregister(callback));
    this.held.splice(0);
  }

  /** @returns the address of an OrtCustomOp. */
  private describe(op: CustomOpSpec): bigint {
    const text = (value: string): bigint => {
      const bytes = Uint8Array.from(Buffer.from(`${value}\0`, 'utf8'));
      this.held.push(bytes);
      return addressOf(bytes);
    };
    const register = (callback: (...args: never[]) => unknown, type: keyof typeof callbackTypes): bigint => {
      const registered = koffi.register(callback, koffi.pointer(callbackTypes[type])) as unknown as bigint;
      this.callbacks.push(registered);
      return BigInt(koffi.address(registered));
    };
    const [name, provider] = [text(op.name), op.provider === undefined ? 0n : text(op.provider)];
    const nothing = 1n; // A kernel of ours has no state, but null would mean that it could not be made.
    const required = 0;
    const defaultMemory = 0;
    const oneOrHomogeneous = 1;
    const fields: bigint[] = [
      BigInt(structVersion),
      register(() => nothing, 'createKernel'),
      register(() => name, 'pointerOf'),
      register(() => provider, 'pointerOf'),
      register((_op: bigint, index: number) => onnxElementTypes[op.inputs[Number(index)] as DType], 'numberAt'),
      register(() => op.inputs.length, 'countOf'),
      register((_op: bigint, index: number) => onnxElementTypes[op.outputs[Number(index)] as DType], 'numberAt'),
      register(() => op.outputs.length, 'countOf'),
      register(() => undefined, 'compute'),
      register(() => undefined, 'destroy'),
      register(() => required, 'numberAt'),
      register(() => required, 'numberAt'),
      register(() => defaultMemory, 'numberAt'),
      ...Array.from({ length: 4 }, () => register(() => oneOrHomogeneous, 'numberOf')),
      0n,
      register((_kernel: bigint, context: bigint) => this.compute(op, context), 'computeV2'),
    ];
    // Room for the fields of later versions, which are null.
    const structure = new BigUint64Array(fields.length + 16);
    structure.set(fields);
    this.held.push(structure);
    return addressOf(structure);
  }

  /** @returns null, or a status that the runtime takes over. */
  private compute(op: CustomOpSpec, context: bigint): bigint | null {
    try {
      op.compute({
        input: (index) => {
          const value = callForPointer(this.library, 'KernelContext_GetInput', context, index);
          return { address: callForPointer(this.library, 'GetTensorMutableData', value), shape: this.shapeOf(value) };
        },
        output: (index, shape) => callForPointer(this.library, 'GetTensorMutableData', callForPointer(this.library, 'KernelContext_GetOutput', context, index, BigInt64Array.from(shape, BigInt), shape.length)),
      });
      return null;
    } catch (error) {
      return this.library.call('CreateStatus', failCode, error instanceof Error ? error.message : String(error)) as bigint;
    }
  }

  private shapeOf(value: bigint): number[] {
    const info = callForPointer(this.library, 'GetTensorTypeAndShape', value);
    try {
      const count = Number(callForPointer(this.library, 'GetDimensionsCount', info));
      const dims = new BigInt64Array(count);
      this.library.call('GetDimensions', info, dims, count);
      return Array.from(dims, Number);
    } finally {
      this.library.call('ReleaseTensorTypeAndShapeInfo', info);
    }
  }
}
