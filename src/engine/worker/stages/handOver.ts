/** Hidden states on their way from one stage to the next: where the one writes and the other reads. */

import type { MemoryInfo } from '../../../ort/memory';
import { countElements, Value } from '../../../ort/value';
import type { Stage } from './stage';

/** `out` and `in` are the same tensor unless it has to be copied between devices before the next stage runs. */
export interface HandOver extends Disposable {
  readonly out: Value;
  readonly in: Value;
  /** Brings `out` into `in`; absent when they are the same. */
  copy?(): void;
}

/**
 * @param dims  `[slots, tokens, hiddenSize]`.
 * @param throughHost  The debug option: by way of host memory although the reader is elsewhere.
 */
export function openHandOver(from: Stage, to: Stage, dims: readonly number[], hostInfo: MemoryInfo, throughHost = false): HandOver {
  const dtype = from.parts.precision.residual;
  if (!throughHost && from.parts.device.id === to.parts.device.id) {
    const value = from.parts.memory.allocate(dtype, dims);
    return { out: value, in: value, [Symbol.dispose]: () => from.parts.memory.release(value) };
  }
  if (!throughHost && from.parts.memory.copyFrom !== undefined && to.parts.memory.copyFrom !== undefined) {
    const [out, received] = [from.parts.memory.allocate(dtype, dims), to.parts.memory.allocate(dtype, dims)];
    return {
      out,
      in: received,
      copy: () => to.parts.memory.copyFrom?.(received, out, from.parts.memory),
      [Symbol.dispose]: () => {
        from.parts.memory.release(out);
        to.parts.memory.release(received);
      },
    };
  }
  // The runtime copies out of the one device into this host tensor. Where the other can't be written to, it copies it in as well, when it is bound.
  const value = Value.overArray(hostInfo, dtype === 'f32' ? new Float32Array(countElements(dims)) : new Uint16Array(countElements(dims)), dtype, dims);
  if (throughHost || to.parts.memory.upload === undefined) {
    return { out: value, in: value, [Symbol.dispose]: () => value.dispose() };
  }
  const received = to.parts.memory.allocate(dtype, dims);
  return {
    out: value,
    in: received,
    copy: () => to.parts.memory.upload?.(received, value),
    [Symbol.dispose]: () => {
      value.dispose();
      to.parts.memory.release(received);
    },
  };
}
