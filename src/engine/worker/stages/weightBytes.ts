/** Where the bytes of stored tensors lie: in the checkpoint itself where they can be used as they are, else in the packed file. */

import type { TensorInfo } from '../../../common/dtype';
import type { Precision } from '../../../model/precision';
import type { StoredTensor } from '../../../model/storedTensors';
import { listSources } from '../../../model/weightSpecs';
import type { PackedWeights } from '../packing/packedFile';

/** Bytes in a file that follow each other in the tensor too. */
export interface FileRun {
  readonly file: string;
  readonly fileOffset: number;
  readonly byteLength: number;
}

/** For each stored tensor its runs, in order. Packs only when some tensor can't be taken from the checkpoint as it is. */
export async function locateWeights(
  stored: readonly StoredTensor[],
  precision: Precision,
  tensors: ReadonlyMap<string, TensorInfo>,
  pack: () => Promise<PackedWeights>,
): Promise<ReadonlyMap<string, readonly FileRun[]>> {
  const verbatim = stored.map((tensor) => [tensor.name, tryVerbatim(tensor, precision, tensors)] as const);
  if (verbatim.every(([, runs]) => runs !== undefined)) {
    return new Map(verbatim.map(([name, runs]) => [name, runs ?? []]));
  }
  const packed = await pack();
  return new Map(
    stored.map(({ name }) => {
      const { offset, byteLength } = packed.place(name);
      return [name, [{ file: packed.path, fileOffset: offset, byteLength }]];
    }),
  );
}

/** The checkpoint's own bytes, when dtype and values are those wanted; stacked sources become several runs. */
function tryVerbatim(tensor: StoredTensor, precision: Precision, tensors: ReadonlyMap<string, TensorInfo>): readonly FileRun[] | undefined {
  const { spec, role } = tensor;
  if (role === 'values' || role === 'scales' || (spec.kind === 'linear' && spec.isRescalable && precision.rescales)) {
    return undefined;
  }
  const names = role === 'bias' && spec.kind === 'linear' ? spec.biasSources : spec.kind === 'linear' ? spec.sources : listSources(spec);
  const infos = names.map(({ tensor: name }) => tensors.get(name));
  const isVerbatim = infos.every((info) => info?.dtype === tensor.dtype) && infos.reduce((sum, info) => sum + (info?.byteLength ?? 0), 0) === tensor.byteLength;
  return isVerbatim ? infos.flatMap((info) => (info === undefined ? [] : [{ file: info.file, fileOffset: info.fileOffset, byteLength: info.byteLength }])) : undefined;
}
