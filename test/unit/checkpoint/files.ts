import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder that is gone after the file's tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'glm-checkpoint-test-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function put(path: string, content: string | Uint8Array): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  return path;
}

export interface Entry {
  readonly dtype?: unknown;
  readonly shape?: unknown;
  readonly data_offsets?: unknown;
}

/** A safetensors file as bytes; `data` zeros behind the header. */
export function safetensors(header: string | Record<string, unknown>, dataBytes: number, claimedHeaderBytes?: bigint): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(claimedHeaderBytes ?? BigInt(json.length));
  return Buffer.concat([prefix, json, Buffer.alloc(dataBytes)]);
}

export const f32 = (begin: number, ...shape: number[]): Entry => ({ dtype: 'F32', shape, data_offsets: [begin, begin + 4 * shape.reduce((a, b) => a * b, 1)] });

export const config = JSON.stringify({ model_type: 'glm4', vocab_size: 10 });

/** A whole checkpoint folder: two shards, three tensors. */
export function putSharded(folder: string): string {
  put(join(folder, 'config.json'), config);
  put(join(folder, 'tokenizer.json'), '{}');
  put(join(folder, 'model-1.safetensors'), safetensors({ a: f32(0, 2, 3), b: f32(24, 4) }, 40));
  put(join(folder, 'model-2.safetensors'), safetensors({ c: f32(0, 1) }, 4));
  put(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: 'model-1.safetensors', b: 'model-1.safetensors', c: 'model-2.safetensors' } }));
  return folder;
}

/** The same, in the layout of the Hugging Face cache. Returns the repository's folder. */
export function putCached(root: string, repo: string, commit: string, files: Readonly<Record<string, string | Uint8Array>>, refsMain: string | null = commit): string {
  const repoFolder = join(root, `models--${repo.replace('/', '--')}`);
  for (const [name, content] of Object.entries(files)) {
    put(join(repoFolder, 'blobs', `${commit}-${name}`), content);
    mkdirSync(join(repoFolder, 'snapshots', commit), { recursive: true });
    symlinkSync(join('..', '..', 'blobs', `${commit}-${name}`), join(repoFolder, 'snapshots', commit, name));
  }
  if (refsMain !== null) {
    put(join(repoFolder, 'refs', 'main'), refsMain);
  }
  return repoFolder;
}
