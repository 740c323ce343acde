/** Reads part of a cache tensor, wherever it lies, as numbers. */

import { decodeFloats } from '../../../model/halfFloat';
import { MemoryInfo } from '../../../ort/memory';
import { copyFromAddress } from '../../../ort/nativeBytes';
import { Value } from '../../../ort/value';
import type { StageMemory } from './stageDevice';

/** @param tensor  f32, f16 or bf16[1, heads, positions, width]. @returns f32[heads, length, width]. */
export function readRows(tensor: Value, length: number, memory: Pick<StageMemory, 'download'>): Float32Array {
  const [, heads = 0, positions = 0, width = 0] = tensor.shape;
  const { dtype } = tensor;
  if (dtype !== 'f32' && dtype !== 'f16' && dtype !== 'bf16') {
    throw new RangeError(`a cache of ${dtype} holds no plain numbers`);
  }
  const bits = dtype === 'f32' ? new Float32Array(heads * positions * width) : new Uint16Array(heads * positions * width);
  if (memory.download === undefined) {
    copyFromAddress(bits, tensor.dataAddress);
  } else {
    using info = new MemoryInfo(tensor.library, 'Cpu');
    using host = Value.overArray(info, bits, dtype, tensor.shape);
    memory.download(host, tensor);
  }
  const rows = new Float32Array(heads * length * width);
  for (let head = 0; head < heads; head += 1) {
    const from = head * positions * width;
    rows.set(decodeFloats(bits.subarray(from, from + length * width), dtype), head * length * width);
  }
  return rows;
}
