/** Which safetensors files a checkpoint folder names, and which tensor each one is said to hold. */

import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { readTextIfPresent, isAbsent } from './boundedFile';
import { CheckpointError, downloadAgain } from './checkpointError';
import { parseStrictJson } from './strictJson';

const indexName = 'model.safetensors.index.json';
const singleName = 'model.safetensors';
const maxIndexBytes = 64 * 1024 * 1024;
const maxShards = 4096;

export interface ShardList {
  /** Absolute paths in name order. */
  readonly files: readonly string[];
  /** Tensor name → file; undefined when one file holds everything and names its own tensors. */
  readonly fileOfTensor?: ReadonlyMap<string, string>;
}

/**
 * As transformers looks: `model.safetensors` first, else `model.safetensors.index.json`.
 * @throws {CheckpointError} `no-safetensors` | `index-not-json` | `index-malformed` | `index-bad-path`
 */
export async function readShardList(folder: string, name: string, signal?: AbortSignal): Promise<ShardList> {
  const single = join(folder, singleName);
  if (await isPresent(single)) {
    return { files: [single] };
  }
  const text = await readTextIfPresent(join(folder, indexName), maxIndexBytes, signal);
  if (text === undefined) {
    throw await noWeights(folder, name);
  }
  return parseShardIndex(text, folder);
}

/** The pure half: checks the text of an index. Shards must lie in the folder itself. */
export function parseShardIndex(text: string, folder: string): ShardList {
  let index: unknown;
  try {
    index = parseStrictJson(text, 8);
  } catch (error) {
    throw new CheckpointError('index-not-json', `${indexName} is not valid JSON (${error instanceof Error ? error.message : String(error)}). Without it nobody knows which file holds which tensor. Download ${join(folder, indexName)} again.`, { fields: { folder }, cause: error });
  }
  const weightMap = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap) || Object.keys(weightMap).length === 0) {
    throw new CheckpointError('index-malformed', `${indexName} has no weight_map with tensor names in it. Download ${join(folder, indexName)} again.`, { fields: { folder } });
  }
  const fileOfTensor = new Map<string, string>();
  for (const [tensor, file] of Object.entries(weightMap)) {
    if (typeof file !== 'string') {
      throw new CheckpointError('index-malformed', `${indexName} gives ${JSON.stringify(tensor)} a file name that is not text. Download ${join(folder, indexName)} again.`, { fields: { folder, tensor } });
    }
    if (!/^[^/\\:*?"<>|\0]+\.safetensors$/.test(file)) {
      throw new CheckpointError('index-bad-path', `${indexName} says that ${JSON.stringify(tensor)} lies in ${JSON.stringify(file.slice(0, 200))}. A shard must be a .safetensors file in the same folder; a path that leads elsewhere is refused. Get the model from a source you trust.`, { fields: { folder, tensor, file } });
    }
    fileOfTensor.set(tensor, join(folder, file));
  }
  const files = [...new Set(fileOfTensor.values())].sort();
  if (files.length > maxShards) {
    throw new CheckpointError('index-malformed', `${indexName} names ${files.length} files; at most ${maxShards} are plausible. Download it again.`, { fields: { folder } });
  }
  return { files, fileOfTensor };
}

/** True when something is there under this name, a link whose target is missing included: that is a damaged checkpoint, not another layout. */
async function isPresent(path: string): Promise<boolean> {
  const entries = await readdir(join(path, '..')).catch(() => [] as string[]);
  return entries.includes(basename(path));
}

async function noWeights(folder: string, name: string): Promise<CheckpointError> {
  const entries = await readdir(folder).catch(() => [] as string[]);
  const shards = entries.filter((entry) => entry.endsWith('.safetensors'));
  const others = entries.filter((entry) => /\.(bin|pt|pth|gguf|ckpt|msgpack|h5)$/.test(entry));
  const why =
    shards.length > 0
      ? `It has ${shards.length} .safetensors file(s), but ${indexName}, which says what they hold, is missing.`
      : others.length > 0
        ? `It has ${others.slice(0, 3).join(', ')}, a format that is not supported.`
        : 'The folder has a config but no weights: only the small files were downloaded.';
  return new CheckpointError('no-safetensors', `${name} has no safetensors weights in ${folder}. ${why} Download the safetensors release of the model.`, { fields: { folder, name }, next: downloadAgain(name) });
}

/** Sum of the sizes of those files that exist. */
export async function presentBytes(files: readonly string[]): Promise<number> {
  let sum = 0;
  for (const file of files) {
    try {
      sum += (await stat(file)).size;
    } catch (error) {
      if (!isAbsent(error)) {
        throw error;
      }
    }
  }
  return sum;
}
