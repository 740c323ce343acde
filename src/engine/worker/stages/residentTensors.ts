/** Tensors in a stage's own memory that mirror host tensors: written before a run, or read after it. One per name and shape, made on first use. */

import type { Value } from '../../../ort/value';
import type { StageMemory } from './stageDevice';

/** Decode shapes recur; of the prefill shapes only the latest are worth keeping. */
const mostKept = 24;

export class ResidentTensors implements Disposable {
  private readonly tensors = new Map<string, Value>();

  constructor(private readonly memory: StageMemory) {}

  /** The tensor that stands for `host` on the device. */
  of(name: string, host: Value): Value {
    const key = `${name}:${host.shape.join(',')}`;
    const tensor = this.tensors.get(key) ?? this.memory.allocate(host.dtype, host.shape);
    this.tensors.delete(key);
    this.tensors.set(key, tensor);
    const [oldest] = this.tensors;
    if (this.tensors.size > mostKept && oldest !== undefined) {
      this.memory.release(oldest[1]);
      this.tensors.delete(oldest[0]);
    }
    return tensor;
  }

  [Symbol.dispose](): void {
    this.tensors.forEach((tensor) => this.memory.release(tensor));
    this.tensors.clear();
  }
}
