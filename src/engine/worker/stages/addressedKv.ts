/** A KV cache in memory that has addresses (host, CUDA): any run of neighbouring slots is a view, so one slot can prefill and several decode in place. */

import { dtypeBytes, type DType } from '../../../common/dtype';
import { MemoryInfo } from '../../../ort/memory';
import type { Env } from '../../../ort/env';
import { addressOf } from '../../../ort/nativeBytes';
import { Value } from '../../../ort/value';
import type { KvMemory, KvPair } from './stageDevice';

/** Bytes of a cache: keys and values of every layer and slot. */
export function kvBytes(numLayers: number, dtype: DType, maxBatch: number, slotShape: readonly number[]): number {
  return 2 * numLayers * maxBatch * slotShape.reduce((product, size) => product * size, dtypeBytes[dtype]);
}

/**
 * Lays a cache out in one block: layer by layer, keys then values, each `dtype[maxBatch, ...slotShape]`.
 *
 * @param block  At least {@link kvBytes} at `address`; disposed with the cache.
 */
export class AddressedKv implements KvMemory {
  readonly byteLength: number;
  private readonly views = new Map<string, KvPair>();
  private readonly slotBytes: number;

  constructor(
    private readonly info: MemoryInfo,
    private readonly block: { readonly address: bigint } & Disposable,
    private readonly layers: readonly number[],
    private readonly dtype: DType,
    private readonly maxBatch: number,
    private readonly slotShape: readonly number[],
  ) {
    this.byteLength = kvBytes(layers.length, dtype, maxBatch, slotShape);
    this.slotBytes = slotShape.reduce((product, size) => product * size, dtypeBytes[dtype]);
  }

  rows(layerIndex: number, firstSlot: number, slotCount: number): KvPair {
    if (firstSlot < 0 || slotCount < 1 || firstSlot + slotCount > this.maxBatch) {
      throw new RangeError(`slots ${firstSlot} to ${firstSlot + slotCount - 1} of ${this.maxBatch}`);
    }
    const key = `${layerIndex}:${firstSlot}:${slotCount}`;
    let pair = this.views.get(key);
    if (pair === undefined) {
      const at = this.layers.indexOf(layerIndex);
      const tensorBytes = this.maxBatch * this.slotBytes;
      const view = (tensorIndex: number): Value =>
        Value.overAddress(this.info, this.block.address + BigInt(tensorIndex * tensorBytes + firstSlot * this.slotBytes), this.dtype, [slotCount, ...this.slotShape]);
      pair = { key: view(2 * at), value: view(2 * at + 1) };
      this.views.set(key, pair);
    }
    return pair;
  }

  [Symbol.dispose](): void {
    for (const { key, value } of this.views.values()) {
      key.dispose();
      value.dispose();
    }
    this.views.clear();
    this.block[Symbol.dispose]();
  }
}

/** A cache in this process's own memory, whatever device its layers run on. */
export function allocateHostKv(env: Env, layers: readonly number[], dtype: DType, maxBatch: number, slotShape: readonly number[]): KvMemory {
  const info = new MemoryInfo(env.library, 'Cpu');
  const bytes = new Uint8Array(kvBytes(layers.length, dtype, maxBatch, slotShape));
  // The array is held with the address, and so are the views' bytes.
  const block = { address: addressOf(bytes), bytes, [Symbol.dispose]: () => info.dispose() };
  return new AddressedKv(info, block, layers, dtype, maxBatch, slotShape);
}
