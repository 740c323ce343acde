/** A copy of a tiny checkpoint whose weights are what a provider's quantised ones stand for: the exact reference of its int8 and int4 runs. */

import { cpSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensorsHeader';
import { readShardList } from '../../src/checkpoint/shardIndex';
import type { WeightFormat } from '../../src/common/dtype';
import { writeDequantizedCheckpoint } from '../../src/engine/worker/packing/dequantizeCheckpoint';
import { packCheckpoint } from '../../src/engine/worker/packing/packCheckpoint';
import { parseGlmConfig } from '../../src/model/config';
import { precisionFor, type FloatDType } from '../../src/model/precision';

/** @returns the folder of the copy. */
export async function writeDequantized(source: string, provider: 'cuda' | 'webgpu', weights: WeightFormat, activations?: FloatDType): Promise<string> {
  const { files } = await readShardList(source, source);
  const headers = await Promise.all(files.map((file) => readSafetensorsHeader(file)));
  const tensors = new Map(headers.flatMap((header) => header.tensors).map((tensor) => [tensor.name, tensor]));
  const config = parseGlmConfig(JSON.parse(readFileSync(join(source, 'config.json'), 'utf8')), tensors.keys());
  const precision = precisionFor(provider, weights, { activations });
  const scratch = mkdtempSync(join(tmpdir(), 'glm-dequantized-'));
  const packed = await packCheckpoint(config, tensors, precision, { cacheFolder: join(scratch, 'cache') });
  const folder = join(scratch, 'checkpoint');
  cpSync(source, folder, { recursive: true, filter: (path) => !path.includes('safetensors') });
  writeDequantizedCheckpoint(config, tensors, precision, packed, folder);
  return folder;
}
