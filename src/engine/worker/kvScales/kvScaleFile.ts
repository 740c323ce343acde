/** Measured scales on disk, beside the packed weights: a load that finds them saves opening the model twice. */

import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WeightFormat } from '../../../common/dtype';
import type { KvScales, KvShape } from '../../../model/kvScales';
import { makeFolder } from '../packing/makeFolder';

/** Changes with the text, the headroom and the form. */
const version = 1;

export interface KvScaleFile {
  /** Undefined without a complete file for this shape. */
  tryRead(): KvScales | undefined;
  /** Written under another name and renamed. A folder that can't be written costs the next load its time, nothing else. */
  tryWrite(scales: KvScales): void;
}

/** @param identity  Of the checkpoint; see packing/packedFile.ts. */
export function kvScaleFile(cacheFolder: string, identity: string, weights: WeightFormat, shape: Pick<KvShape, 'numLayers' | 'numKvHeads' | 'headDim'>): KvScaleFile {
  const folder = join(cacheFolder, `kv-scales-v${version}`);
  const path = join(folder, `${identity}-${weights}.f32`);
  const channels = shape.numKvHeads * shape.headDim;
  return {
    tryRead: () => {
      try {
        const bytes = readFileSync(path);
        const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
        if (numbers.length !== shape.numLayers * 2 * channels || !numbers.every((value) => value > 0 && Number.isFinite(value))) {
          return undefined;
        }
        const part = (index: number): Float32Array => numbers.slice(index * channels, (index + 1) * channels);
        return Array.from({ length: shape.numLayers }, (_, layer) => ({ key: part(2 * layer), value: part(2 * layer + 1) }));
      } catch {
        return undefined;
      }
    },
    tryWrite: (scales) => {
      const temporary = `${path}.${process.pid}.tmp`;
      try {
        makeFolder(folder);
        const numbers = new Float32Array(shape.numLayers * 2 * channels);
        scales.forEach(({ key, value }, layer) => {
          numbers.set(key, 2 * layer * channels);
          numbers.set(value, (2 * layer + 1) * channels);
        });
        writeFileSync(temporary, numbers);
        renameSync(temporary, path);
      } catch {
        rmSync(temporary, { force: true });
      }
    },
  };
}
