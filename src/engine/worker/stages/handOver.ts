/** Hidden states on their way from one stage to the next: where the one writes and the other reads. */

import type { MemoryInfo } from '../../../ort/memory';
import { countElements, Value } from '../../../ort/value';
import type { Stage } from './stage';

/** `out` and `in` are the same tensor unless it has to be copied between devices before the next stage runs. */
export interface HandOver extends Disposable {
  readonly out: Value;
  readonly in: Value;
}

/** @param dims  `[slots, tokens, hiddenSize]`. */
export function openHandOver(from: Stage, to: Stage, dims: readonly number[], hostInfo: MemoryInfo): HandOver {
  const dtype = from.parts.precision.residual;
  if (from.parts.device.id === to.parts.device.id) {
    const value = from.parts.memory.allocate(dtype, dims);
    return { out: value, in: value, [Symbol.dispose]: () => from.parts.memory.release(value) };
  }
  if (from.parts.memory.copyFrom !== undefined && to.parts.memory.copyFrom !== undefined) {
    const [out, received] = [from.parts.memory.allocate(dtype, dims), to.parts.memory.allocate(dtype, dims)];
    return {
      out,
      in: received,
      [Symbol.dispose]: () => {
        from.parts.memory.release(out);
        to.parts.memory.release(received);
      },
    };
  }
  // The runtime copies through this host tensor, out of the one device and into the other, when it is bound.
  const value = Value.overArray(hostInfo, dtype === 'f32' ? new Float32Array(countElements(dims)) : new Uint16Array(countElements(dims)), dtype, dims);
  return { out: value, in: value, [Symbol.dispose]: () => value.dispose() };
}
