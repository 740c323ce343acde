/** What a packed file will contain and the jobs that fill it. Pure: sizes and offsets only. */

import type { TensorInfo } from '../../../common/dtype';
import type { GlmConfig } from '../../../model/config';
import type { Precision } from '../../../model/precision';
import { isStoredQuantized, layOutStoredTensors, quantizedBits, storedName, storedTensorsOf, type StoredPlace, type StoredTensor } from '../../../model/storedTensors';
import { f16Headroom, listModelSpecs, listSources, modelWeightSpecs, type TensorSource, type WeightSpec } from '../../../model/weightSpecs';
import type { PackJob, PackTarget, SourceRun } from './packJob';

/** Raised when the layout or the arithmetic changes: files of other versions are ignored. */
export const packVersion = 2;

/** The part of a precision that decides the bytes of a packed file. */
export function packFormat(precision: Precision): string {
  const rescaled = precision.rescales ? '-rescaled' : '';
  const zeroPoints = precision.hasZeroPoints ? '-zp' : '';
  return `${precision.weights}${zeroPoints}-b${precision.blockSize}-${precision.activations}-${precision.residual}-embedding.${precision.embedding}${rescaled}`;
}

export interface PackPlan {
  readonly format: string;
  readonly stored: readonly StoredTensor[];
  /** Offsets from the start of the file's data. */
  readonly places: ReadonlyMap<string, StoredPlace>;
  readonly dataBytes: number;
  /** Jobs for a file whose data starts at an offset. */
  jobs(dataOffset: number): PackJob[];
}

export function planPacking(config: GlmConfig, tensors: ReadonlyMap<string, TensorInfo>, precision: Precision): PackPlan {
  const info = (name: string): TensorInfo => {
    const found = tensors.get(name);
    if (found === undefined) {
      throw new RangeError(`tensor ${name} was not checked`);
    }
    return found;
  };
  const specs = listModelSpecs(modelWeightSpecs(config));
  const stored = specs.flatMap((spec) => storedTensorsOf(spec, precision, (tensor) => info(tensor).dtype));
  const { places, endOffset } = layOutStoredTensors(stored, 0);
  return {
    format: packFormat(precision),
    stored,
    places,
    dataBytes: endOffset,
    jobs: (dataOffset) => specs.flatMap((spec) => jobsFor(spec, precision, stored, places, dataOffset, info)),
  };
}

/** Few enough elements that a cancel waits for some milliseconds only, enough that a job is worth sending. */
const elementsPerJob = 2_097_152;

function jobsFor(
  spec: WeightSpec,
  precision: Precision,
  stored: readonly StoredTensor[],
  places: ReadonlyMap<string, StoredPlace>,
  dataOffset: number,
  info: (name: string) => TensorInfo,
): PackJob[] {
  const place = (role: StoredTensor['role']): number => dataOffset + (places.get(storedName(spec, role)) as StoredPlace).offset;
  const dtypeOf = (role: StoredTensor['role']): StoredTensor['dtype'] => (stored.find((tensor) => tensor.name === storedName(spec, role)) as StoredTensor).dtype;
  const rescaled = spec.kind === 'linear' && spec.isRescalable && precision.rescales;
  const vector = (sources: readonly TensorSource[], role: 'dense' | 'bias'): PackJob => {
    const runs = sources.map((source) => wholeRun(info(source.tensor)));
    const width = runs.reduce((sum, run) => sum + run.elements, 0);
    return { tensors: sources.map(({ tensor }) => tensor), runs, rows: 1, width, factor: 1, target: { kind: 'dense', dtype: dtypeOf(role), offset: place(role) } };
  };
  if (spec.kind === 'norm') {
    return [vector([spec.source], 'dense')];
  }
  const sources = spec.kind === 'linear' ? spec.sources : [spec.source];
  const [rows, width] = spec.kind === 'linear' ? [spec.outFeatures, spec.inFeatures] : [spec.rows, spec.width];
  const rowsPerJob = Math.max(1, Math.floor(elementsPerJob / width));
  const jobs: PackJob[] = [];
  for (let row = 0; row < rows; row += rowsPerJob) {
    const count = Math.min(rowsPerJob, rows - row);
    let target: PackTarget;
    if (isStoredQuantized(spec, precision)) {
      const bits = quantizedBits[precision.weights];
      const blocks = Math.ceil(width / precision.blockSize);
      const scaleBytes = precision.activations === 'f32' ? 4 : 2;
      target = {
        kind: 'quantized',
        bits,
        blockSize: precision.blockSize,
        scaleDtype: precision.activations,
        valuesOffset: place('values') + (row * blocks * precision.blockSize * bits) / 8,
        scalesOffset: place('scales') + row * blocks * scaleBytes,
        zeroPointsOffset: precision.hasZeroPoints && spec.kind === 'linear' ? place('zero_points') + row * Math.ceil(blocks / 2) : undefined,
      };
    } else {
      const dtype = dtypeOf('dense');
      target = { kind: 'dense', dtype, offset: place('dense') + row * width * (dtype === 'f32' ? 4 : 2) };
    }
    jobs.push({ tensors: sources.map(({ tensor }) => tensor), runs: runsOfRows(sources.map((source) => info(source.tensor)), row, count), rows: count, width, factor: rescaled ? 1 / f16Headroom : 1, target });
  }
  return spec.kind === 'linear' && spec.biasSources.length > 0 ? [...jobs, vector(spec.biasSources, 'bias')] : jobs;
}

function wholeRun(tensor: TensorInfo): SourceRun {
  return { file: tensor.file, dtype: tensor.dtype, fileOffset: tensor.fileOffset, elements: tensor.shape.reduce((product, size) => product * size, 1) };
}

/** Rows of several matrices stacked on each other. */
export function runsOfRows(stack: readonly TensorInfo[], firstRow: number, rowCount: number): SourceRun[] {
  const runs: SourceRun[] = [];
  let top = 0;
  for (const tensor of stack) {
    const [rows, width] = tensor.shape as [number, number];
    const from = Math.max(firstRow, top);
    const to = Math.min(firstRow + rowCount, top + rows);
    if (from < to) {
      const elementBytes = tensor.dtype === 'f32' ? 4 : 2;
      runs.push({ file: tensor.file, dtype: tensor.dtype, fileOffset: tensor.fileOffset + (from - top) * width * elementBytes, elements: (to - from) * width });
    }
    top += rows;
  }
  return runs;
}

/** Distinct checkpoint files that a plan reads. */
export function sourceFiles(config: GlmConfig, tensors: ReadonlyMap<string, TensorInfo>): string[] {
  return [...new Set(listModelSpecs(modelWeightSpecs(config)).flatMap(listSources).map(({ tensor }) => tensors.get(tensor)?.file ?? ''))].sort();
}
