/** Lists what the Hugging Face cache holds, for a model picker. Reads config.json and file sizes only. */

import { join } from 'node:path';
import { throwIfAborted } from '../common/errors';
import type { CachedCheckpoint, OpenOptions } from './checkpoint';
import { entriesOf, findSnapshot, hubCacheRoots, repoNameOf } from './hubCache';
import { readCheckpointConfig } from './openCheckpoint';

/** model_types that can be loaded. */
export const supportedModelTypes: readonly string[] = ['glm', 'glm4', 'chatglm'];

/**
 * Every model repository in the cache, by name; the first root wins where two hold the same name. Models of other families are listed as
 * unsupported, so that a picker can say so instead of hiding them.
 */
export async function listCachedCheckpoints(options: OpenOptions): Promise<readonly CachedCheckpoint[]> {
  const found = new Map<string, CachedCheckpoint>();
  for (const root of hubCacheRoots(options.env)) {
    for (const entry of await entriesOf(root)) {
      throwIfAborted(options.signal, 'Listing the cache');
      const name = repoNameOf(join(root, entry));
      if (name !== undefined && !found.has(name)) {
        found.set(name, await describeEntry(name, join(root, entry), options));
      }
    }
  }
  return [...found.values()].sort((a, b) => a.name.localeCompare(b.name));
}

async function describeEntry(name: string, repoFolder: string, options: OpenOptions): Promise<CachedCheckpoint> {
  const folder = await findSnapshot(repoFolder);
  if (folder === undefined) {
    return { name, folder: repoFolder, fileBytes: 0, supported: false, problem: 'no snapshot with a config.json: the download did not finish' };
  }
  try {
    const { configJson, fileBytes } = await readCheckpointConfig(folder, options);
    const modelType = typeof configJson.model_type === 'string' ? configJson.model_type : undefined;
    const problem = !supportedModelTypes.includes(modelType ?? '')
      ? `model_type ${modelType ?? '(none)'} is not supported; supported are ${supportedModelTypes.join(', ')}`
      : fileBytes === 0
        ? 'no safetensors weights'
        : undefined;
    return { name, folder, modelType, fileBytes, supported: problem === undefined, problem };
  } catch (error) {
    return { name, folder, fileBytes: 0, supported: false, problem: error instanceof Error ? error.message : String(error) };
  }
}
