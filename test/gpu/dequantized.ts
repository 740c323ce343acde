/** A copy of a tiny checkpoint whose weights are what the CUDA provider's quantised ones stand for: the exact reference of its int8 and int4 runs. */

import { cpSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSafetensorsHeader } from '../../src/checkpoint/safetensorsHeader';
import { readShardList } from '../../src/checkpoint/shardIndex';
import type { WeightFormat } from '../../src/common/dtype';
import { writeDequantizedCheckpoint } from '../../src/engine/worker/packing/dequantizeCheckpoint';
import { packCheckpoint } from '../../src/engine/worker/packing/packCheckpoint';
import { parseGlmConfig } from '../../src/model/config';
import { precisionFor } from '../../src/model/precision';
import type { TinyCheckpoint } from './engineFixture';

/** @returns the folder of the copy. */
export async function writeDequantized(tiny: TinyCheckpoint, weights: WeightFormat): Promise<string> {
  const { files } = await readShardList(tiny.folder, tiny.folder);
  const headers = await Promise.all(files.map((file) => readSafetensorsHeader(file)));
  const tensors = new Map(headers.flatMap((header) => header.tensors).map((tensor) => [tensor.name, tensor]));
  const config = parseGlmConfig(JSON.parse(readFileSync(join(tiny.folder, 'config.json'), 'utf8')), tensors.keys());
  const precision = precisionFor('cuda', weights);
  const scratch = mkdtempSync(join(tmpdir(), 'glm-dequantized-'));
  const packed = await packCheckpoint(config, tensors, precision, { cacheFolder: join(scratch, 'cache') });
  const folder = join(scratch, 'checkpoint');
  cpSync(tiny.folder, folder, { recursive: true, filter: (path) => !path.includes('safetensors') });
  writeDequantizedCheckpoint(config, tensors, precision, packed, folder);
  return folder;
}
