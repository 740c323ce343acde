/** Cuts tensors into safetensors files and lays out each file: header first, then the data without gaps. */

import type { MadeTensor } from './tensorList';

export interface ShardLayout {
  readonly fileName: string;
  /** The u64 length and the JSON after it. */
  readonly head: Uint8Array;
  readonly tensors: readonly { readonly tensor: MadeTensor; readonly fileOffset: number; readonly byteLength: number }[];
  readonly fileBytes: number;
}

const bytesPerValue = 2;

export function byteLengthOf(tensor: MadeTensor): number {
  return tensor.shape.reduce((product, size) => product * size, bytesPerValue);
}

/** @param maxShardBytes  A file gets no further tensor past this, as transformers' max_shard_size. */
export function layOutShards(tensors: readonly MadeTensor[], dtype: 'bf16' | 'f16', maxShardBytes: number): readonly ShardLayout[] {
  const groups: MadeTensor[][] = [];
  let groupBytes = Infinity;
  for (const tensor of tensors) {
    const byteLength = byteLengthOf(tensor);
    if (groupBytes + byteLength > maxShardBytes) {
      groups.push([]);
      groupBytes = 0;
    }
    groups.at(-1)!.push(tensor);
    groupBytes += byteLength;
  }
  const number = (i: number): string => String(i).padStart(5, '0');
  return groups.map((group, i) => layOutFile(groups.length === 1 ? 'model.safetensors' : `model-${number(i + 1)}-of-${number(groups.length)}.safetensors`, group, dtype));
}

function layOutFile(fileName: string, group: readonly MadeTensor[], dtype: 'bf16' | 'f16'): ShardLayout {
  let end = 0;
  const placed = group.map((tensor) => {
    const begin = end;
    end += byteLengthOf(tensor);
    return { tensor, begin, byteLength: end - begin };
  });
  const header = {
    __metadata__: { format: 'pt' },
    ...Object.fromEntries(placed.map(({ tensor, begin, byteLength }) => [tensor.name, { dtype: dtype === 'bf16' ? 'BF16' : 'F16', shape: tensor.shape, data_offsets: [begin, begin + byteLength] }])),
  };
  const text = JSON.stringify(header);
  // Padded with spaces to a multiple of 8, as the reference writer does, so that the data is aligned.
  const json = new TextEncoder().encode(text + ' '.repeat((8 - (text.length % 8)) % 8));
  const head = new Uint8Array(8 + json.length);
  new DataView(head.buffer).setBigUint64(0, BigInt(json.length), true);
  head.set(json, 8);
  return { fileName, head, tensors: placed.map(({ tensor, begin, byteLength }) => ({ tensor, fileOffset: head.length + begin, byteLength })), fileBytes: head.length + end };
}

/** The text of model.safetensors.index.json; undefined for a single file. */
export function indexText(shards: readonly ShardLayout[]): string | undefined {
  if (shards.length === 1) {
    return undefined;
  }
  const entries = shards.flatMap((shard) => shard.tensors.map(({ tensor }) => [tensor.name, shard.fileName] as const));
  const total = shards.reduce((sum, shard) => sum + shard.fileBytes - shard.head.length, 0);
  return `${JSON.stringify({ metadata: { total_size: total }, weight_map: Object.fromEntries(entries) }, undefined, 2)}\n`;
}
