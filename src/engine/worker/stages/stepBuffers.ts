/** Host tensors of one step's shape: what every stage of a model reads and the last one writes. */

import type { MemoryInfo } from '../../../ort/memory';
import { Value } from '../../../ort/value';

/** A step's shape: `slotCount` rows of `tokens` new positions, of which the last `positions` get logits. */
export interface StepShape {
  readonly slotCount: number;
  readonly tokens: number;
  readonly positions: number;
}

export class StepBuffers implements Disposable {
  readonly ids: Value;
  /** i32[slotCount]: valid positions after the step, less one. */
  readonly seqlensK: Value;
  readonly totalSequenceLength: Value;
  readonly logitsFrom: Value;
  /** f32[slotCount, positions, vocabSize] */
  readonly logits: Value;
  readonly logitsArray: Float32Array;
  private readonly idArray: BigInt64Array | Int32Array;
  private readonly seqlensArray: Int32Array;
  private readonly totalArray = new Int32Array(1);

  constructor(
    info: MemoryInfo,
    readonly shape: StepShape,
    idDtype: 'i32' | 'i64',
    vocabSize: number,
  ) {
    const { slotCount, tokens, positions } = shape;
    this.idArray = idDtype === 'i64' ? new BigInt64Array(slotCount * tokens) : new Int32Array(slotCount * tokens);
    this.seqlensArray = new Int32Array(slotCount);
    this.logitsArray = new Float32Array(slotCount * positions * vocabSize);
    this.ids = Value.overArray(info, this.idArray, idDtype, [slotCount, tokens]);
    this.seqlensK = Value.overArray(info, this.seqlensArray, 'i32', [slotCount]);
    this.totalSequenceLength = Value.overArray(info, this.totalArray, 'i32', []);
    this.logitsFrom = Value.overArray(info, BigInt64Array.of(BigInt(positions === tokens ? 0 : -positions)), 'i64', [1]);
    this.logits = Value.overArray(info, this.logitsArray, 'f32', [slotCount, positions, vocabSize]);
  }

  /** @param lengthsBefore  Valid positions of each row before the step. */
  fill(ids: Int32Array, lengthsBefore: readonly number[]): void {
    const { tokens } = this.shape;
    if (this.idArray instanceof Int32Array) {
      this.idArray.set(ids);
    } else {
      for (let index = 0; index < ids.length; index += 1) {
        this.idArray[index] = BigInt(ids[index] as number);
      }
    }
    lengthsBefore.forEach((length, row) => (this.seqlensArray[row] = length + tokens - 1));
    this.totalArray[0] = Math.max(...lengthsBefore) + tokens;
  }

  [Symbol.dispose](): void {
    [this.ids, this.seqlensK, this.totalSequenceLength, this.logitsFrom, this.logits].forEach((value) => value.dispose());
  }
}

/** The buffers of the shapes used last; decoding keeps meeting the same ones. */
export class StepBufferCache implements Disposable {
  private readonly entries = new Map<string, StepBuffers>();

  constructor(
    private readonly create: (shape: StepShape) => StepBuffers,
    private readonly capacity = 6,
  ) {}

  get(shape: StepShape): StepBuffers {
    const key = `${shape.slotCount}:${shape.tokens}:${shape.positions}`;
    const entry = this.entries.get(key) ?? this.create(shape);
    this.entries.delete(key);
    this.entries.set(key, entry);
    for (const [oldKey, old] of this.entries) {
      if (this.entries.size <= this.capacity) {
        break;
      }
      old[Symbol.dispose]();
      this.entries.delete(oldKey);
    }
    return entry;
  }

  [Symbol.dispose](): void {
    for (const entry of this.entries.values()) {
      entry[Symbol.dispose]();
    }
    this.entries.clear();
  }
}
