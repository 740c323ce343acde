/** The weights that packed files stand for, as an ordinary f32 checkpoint: the reference that quantised logits are held against. */

import { closeSync, mkdirSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { TensorInfo } from '../../../common/dtype';
import type { GlmConfig } from '../../../model/config';
import { fromBf16Bits, fromF16Bits } from '../../../model/halfFloat';
import type { Precision } from '../../../model/precision';
import { isStoredQuantized, quantizedBits, storedName } from '../../../model/storedTensors';
import { f16Headroom, listModelSpecs, modelWeightSpecs, type WeightSpec } from '../../../model/weightSpecs';
import { dequantizeRows } from './blockQuantize';
import type { PackedWeights } from './packedFile';
import { readFloats, type SourceRun } from './packJob';

/**
 * Writes `model.safetensors` in f32 with each weight as the quantised model computes with it.
 *
 * A tied head is quantised apart from the embedding, so the result has an `lm_head.weight` of its own and its config.json must say
 * `tie_word_embeddings: false`. Names are the checkpoint's. For checkpoints that fit in memory.
 */
export function writeDequantizedCheckpoint(config: GlmConfig, tensors: ReadonlyMap<string, TensorInfo>, precision: Precision, packed: PackedWeights, folder: string): void {
  const out = new Map<string, { readonly shape: readonly number[]; readonly values: Float32Array }>();
  const fds = new Map<string, number>();
  const open = (file: string): number => {
    const fd = fds.get(file) ?? openSync(file, 'r');
    fds.set(file, fd);
    return fd;
  };
  try {
    const readOriginal = (tensor: string): Float32Array => {
      const info = tensors.get(tensor) as TensorInfo;
      const run: SourceRun = { file: info.file, dtype: info.dtype, fileOffset: info.fileOffset, elements: info.shape.reduce((a, b) => a * b, 1) };
      return readFloats([run], open);
    };
    for (const spec of listModelSpecs(modelWeightSpecs(config))) {
      if (spec.kind === 'linear' && isStoredQuantized(spec, precision)) {
        const matrix = readQuantized(spec, spec.outFeatures, spec.inFeatures, precision, packed, open);
        const undo = spec.isRescalable && precision.rescales ? f16Headroom : 1;
        let row = 0;
        for (const { tensor, shape } of spec.sources) {
          const rows = shape[0] as number;
          const name = spec.id === 'lm_head' && config.hasTiedHead ? tiedHeadName(config) : tensor;
          out.set(name, { shape, values: matrix.slice(row * spec.inFeatures, (row + rows) * spec.inFeatures).map((value) => value * undo) });
          row += rows;
        }
        spec.biasSources.forEach(({ tensor, shape }) => out.set(tensor, { shape, values: readOriginal(tensor) }));
      } else if (spec.kind === 'embedding' && isStoredQuantized(spec, precision)) {
        out.set(spec.source.tensor, { shape: spec.source.shape, values: readQuantized(spec, spec.rows, spec.width, precision, packed, open) });
      } else {
        for (const { tensor, shape } of spec.kind === 'linear' ? [...spec.sources, ...spec.biasSources] : [spec.source]) {
          out.set(tensor, { shape, values: readOriginal(tensor) });
        }
      }
    }
  } finally {
    [...fds.values()].forEach(closeSync);
  }
  writeSafetensors(folder, out);
}

function tiedHeadName(config: GlmConfig): string {
  return config.architecture === 'chatglm' ? 'transformer.output_layer.weight' : 'lm_head.weight';
}

function readQuantized(spec: WeightSpec, rows: number, width: number, precision: Precision, packed: PackedWeights, open: (file: string) => number): Float32Array {
  const read = (role: 'values' | 'scales' | 'zero_points'): Uint8Array => {
    const { offset, byteLength } = packed.place(storedName(spec, role));
    const bytes = new Uint8Array(byteLength);
    readSync(open(packed.path), bytes, 0, byteLength, offset);
    return bytes;
  };
  const raw = read('scales');
  const scales =
    precision.activations === 'f32'
      ? new Float32Array(raw.buffer)
      : Float32Array.from(new Uint16Array(raw.buffer), precision.activations === 'f16' ? fromF16Bits : fromBf16Bits);
  const zeroPoints = precision.hasZeroPoints && spec.kind === 'linear' ? read('zero_points') : undefined;
  return dequantizeRows(read('values'), scales, rows, width, precision.blockSize, quantizedBits[precision.weights as 'int4' | 'int8'], zeroPoints);
}

function writeSafetensors(folder: string, tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>): void {
  mkdirSync(folder, { recursive: true });
  let offset = 0;
  const header = Object.fromEntries(
    [...tensors].map(([name, { shape, values }]) => {
      const start = offset;
      offset += values.byteLength;
      return [name, { dtype: 'F32', shape, data_offsets: [start, offset] }];
    }),
  );
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.byteLength % 8)) % 8, ' ')]);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.byteLength));
  const path = join(folder, 'model.safetensors');
  writeFileSync(path, Buffer.concat([length, padded]));
  const fd = openSync(path, 'a');
  try {
    for (const { values } of tensors.values()) {
      writeSync(fd, new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    }
  } finally {
    closeSync(fd);
  }
}
