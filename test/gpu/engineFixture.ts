/** Engine processes for the GPU checks, and readings of the driver. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GenerateParams, GenerateResult, LoadOptions } from '../../src/common/protocol/engine';
import { defaultLength, greedySampling } from '../../src/common/sampling';
import { startEngine, type EngineClient } from '../../src/engine/client';

const cacheFolder = mkdtempSync(join(tmpdir(), 'glm-gpu-'));

/** The bundle lies beside this one, in dist/. */
export function openEngine(env: Readonly<Record<string, string>> = {}): EngineClient {
  return startEngine({ workerPath: join(__dirname, 'engineWorker.js'), env });
}

export function loadOptions(source: string, changes: Partial<LoadOptions> = {}): LoadOptions {
  return { source, provider: 'cuda', weights: 'bf16', kvCache: 'auto', maxBatch: 1, deviceMap: { kind: 'auto' }, allowSoftwareGpu: false, cacheFolder, alignment: 'autoFix', contextTokens: 256, ...changes };
}

export interface TinyCheckpoint {
  readonly name: string;
  readonly folder: string;
  readonly prompts: readonly { readonly ids: readonly number[]; readonly logits: readonly number[]; readonly greedyIds: readonly number[] }[];
}

/** The checkpoints of test/fixtures, with what transformers computes for them in f32. */
export function tinyCheckpoints(): readonly TinyCheckpoint[] {
  const root = process.env.GLM_FIXTURES ?? join(__dirname, '..', 'test', 'fixtures', 'checkpoints');
  return readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const folder = join(root, name);
      return { name, folder, prompts: (JSON.parse(readFileSync(join(folder, 'reference.json'), 'utf8')) as Pick<TinyCheckpoint, 'prompts'>).prompts };
    });
}

let generations = 0;

/** Greedy, exactly `count` tokens. */
export function generate(engine: EngineClient, ids: readonly number[], count: number, signal?: AbortSignal): Promise<GenerateResult> {
  const generationId = `check-${generations++}`;
  const params: GenerateParams = {
    generationId,
    conversationKey: generationId,
    prompt: { kind: 'ids', ids },
    options: { ...greedySampling, ...defaultLength, maxNewTokens: count, minNewTokens: count, ignoreEos: true },
  };
  return engine.generate(params, {}, signal);
}

/** MiB in use on each GPU, as nvidia-smi reports. */
export function usedMebibytes(): readonly number[] {
  return execFileSync('nvidia-smi', ['--query-gpu=memory.used', '--format=csv,noheader,nounits'], { encoding: 'utf8' }).trim().split('\n').map(Number);
}
