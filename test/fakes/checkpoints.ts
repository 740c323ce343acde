/** The committed tiny checkpoints, and load options that fit them. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoadOptions } from '../../src/common/protocol/engine';
import { repositoryRoot } from './bundles';

export const checkpointNames = ['tiny-glm4', 'tiny-glm', 'tiny-edge', 'tiny-chatglm'] as const;
export type CheckpointName = (typeof checkpointNames)[number];

export function checkpointFolder(name: CheckpointName): string {
  return join(repositoryRoot, 'test', 'fixtures', 'checkpoints', name);
}

/** Float32 on one thread of the CPU. */
export function tinyLoadOptions(name: CheckpointName, cacheFolder: string, changes: Partial<LoadOptions> = {}): LoadOptions {
  return {
    source: checkpointFolder(name),
    provider: 'cpu',
    weights: 'f32',
    kvCache: 'auto',
    maxBatch: 2,
    deviceMap: { kind: 'auto' },
    allowSoftwareGpu: false,
    cpuThreads: 1,
    cacheFolder,
    alignment: 'off',
    ...changes,
  };
}

export interface TemporaryFolder {
  readonly path: string;
  remove(): void;
}

export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'glm-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
