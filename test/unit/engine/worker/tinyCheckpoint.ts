/** The tiny checkpoints of test/fixtures, opened for tests of packing and stages. */

import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensorsHeader } from '../../../../src/checkpoint/safetensorsHeader';
import { readShardList } from '../../../../src/checkpoint/shardIndex';
import { cpuDevice } from '../../../../src/common/deviceId';
import type { TensorInfo, WeightFormat } from '../../../../src/common/dtype';
import type { PlacementPlan } from '../../../../src/common/placement';
import { parseGlmConfig, type GlmConfig } from '../../../../src/model/config';

export const tinyNames = ['tiny-glm4', 'tiny-glm', 'tiny-edge', 'tiny-chatglm'] as const;
export type TinyName = (typeof tinyNames)[number];

export interface Reference {
  readonly prompts: readonly {
    readonly name: string;
    readonly ids: readonly number[];
    readonly logits: readonly number[];
    readonly logitsStd: number;
    readonly greedyIds: readonly number[];
  }[];
}

export interface OpenedTiny {
  readonly folder: string;
  readonly config: GlmConfig;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
}

export const fixtureFolder = (name: TinyName): string => join(__dirname, '../../../fixtures/checkpoints', name);

export async function openTiny(folder: string): Promise<OpenedTiny> {
  const { files } = await readShardList(folder, folder);
  const headers = await Promise.all(files.map((file) => readSafetensorsHeader(file)));
  const tensors = new Map(headers.flatMap((header) => header.tensors).map((tensor) => [tensor.name, tensor]));
  return { folder, config: parseGlmConfig(JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')), tensors.keys()), tensors };
}

export function readReference(name: TinyName): Reference {
  return JSON.parse(readFileSync(join(fixtureFolder(name), 'reference.json'), 'utf8')) as Reference;
}

/** A new folder, removed by the caller's `afterAll`. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'glm-test-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

export function copyTiny(name: TinyName, to: string): string {
  cpSync(fixtureFolder(name), to, { recursive: true });
  return to;
}

/** The layers in `numStages` runs on the CPU. */
export function cpuPlan(config: GlmConfig, weightFormat: WeightFormat, options: { readonly numStages?: number; readonly contextTokens?: number } = {}): PlacementPlan {
  const { numStages = 1, contextTokens = 80 } = options;
  const cut = (index: number): number => Math.floor((config.numLayers * index) / numStages);
  return {
    stages: Array.from({ length: numStages }, (_, stageIndex) => ({
      stageIndex,
      device: cpuDevice,
      provider: 'cpu',
      firstLayer: cut(stageIndex),
      endLayer: cut(stageIndex + 1),
      hasEmbedding: stageIndex === 0,
      hasHead: stageIndex === numStages - 1,
      weightBytes: 0,
      kvBytes: 0,
      activationBytes: 0,
    })),
    weightFormat,
    kvFormat: 'f32',
    contextTokens,
    largestContextTokens: contextTokens,
    largestContextAsPlacedTokens: contextTokens,
    warnings: [],
  };
}
