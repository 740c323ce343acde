import type { CachedCheckpoint, Checkpoint, CheckpointSummary, OpenOptions } from './checkpoint';

/** `source`: a folder, or `org/name` to be found in the Hugging Face cache. @throws {CheckpointError} */
export declare function openCheckpoint(source: string, options: OpenOptions): Promise<Checkpoint>;
export declare function describeCheckpoint(source: string, options: OpenOptions): Promise<CheckpointSummary>;
export declare function listCachedCheckpoints(options: OpenOptions): Promise<readonly CachedCheckpoint[]>;
