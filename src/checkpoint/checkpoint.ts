/**
 * What a Hugging Face checkpoint on disk is to the rest of the program: raw texts, checked tensor positions, an identity.
 *
 * Nothing here knows what a weight or a config key means: `configJson` goes to src/model/config.ts, `tokenizerFiles` to src/tokenizer.
 */

import type { TensorInfo } from '../common/dtype';
import type { TokenizerFiles } from '../common/tokenizerFiles';

/** A checkpoint without its tensors: cheap to read, enough for a list, a plan's config, tokenizing and templates. */
export interface CheckpointSummary {
  /** Absolute path of the folder that holds config.json. */
  readonly folder: string;
  /** `org/name` when found in the Hugging Face cache, else the folder's name. */
  readonly name: string;
  /** Parsed, unchecked: src/model/config.ts gives it meaning. */
  readonly configJson: Readonly<Record<string, unknown>>;
  readonly generationConfigJson?: Readonly<Record<string, unknown>>;
  readonly tokenizerFiles: TokenizerFiles;
  /** Bytes of all safetensors files that the checkpoint names, as far as they exist. */
  readonly fileBytes: number;
}

/** A checkpoint whose files have all been checked; tensor bytes are still on disk. */
export interface Checkpoint extends CheckpointSummary {
  /** Lower-case hex SHA-256 over config, shard names, sizes, modification times and headers: a key for caches of derived files. */
  readonly identity: string;
  /** Every tensor by name, in order of file and offset. */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Absolute paths of the safetensors files, in name order. */
  readonly shardFiles: readonly string[];
}

/** One entry of a model picker. */
export interface CachedCheckpoint {
  readonly name: string;
  readonly folder: string;
  /** config.json's `model_type`; undefined when it cannot be read. */
  readonly modelType?: string;
  readonly fileBytes: number;
  /** False when `open` would refuse it for its model type or for missing files; `problem` says why. */
  readonly supported: boolean;
  readonly problem?: string;
}

export interface OpenOptions {
  /** Environment to read HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, HOME / USERPROFILE from. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal?: AbortSignal;
}
