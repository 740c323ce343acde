/**
 * The product's own bundles for tests that start real processes: built from the sources at hand, so that a stale dist/ cannot pass.
 * They lie inside the repository, where koffi and onnxruntime-node are found.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type BuildOptions } from 'esbuild';
import { nodeBundle } from '../../tools/nodeBundle.mjs';

export const repositoryRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

const entries = {
  engineWorker: 'src/engine/worker/main.ts',
  packThread: 'src/engine/worker/packing/packThread.ts',
  monitor: 'src/monitor/main.ts',
  cli: 'src/cli/main.ts',
} as const;

export type BundleName = keyof typeof entries;

export interface Bundles {
  readonly folder: string;
  path(name: BundleName): string;
  remove(): void;
}

const options: BuildOptions = { ...nodeBundle, logLevel: 'error' };

export async function buildBundles(names: readonly BundleName[]): Promise<Bundles> {
  const cache = join(repositoryRoot, '.cache');
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, 'bundles-'));
  await build({ ...options, entryPoints: Object.fromEntries(names.map((name) => [name, entries[name]])), outdir: folder });
  return { folder, path: (name) => join(folder, `${name}.js`), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A bundle of a program that a test writes; its imports are relative to the repository. */
export async function buildProgram(contents: string, outfile: string): Promise<void> {
  await build({ ...options, stdin: { contents, resolveDir: repositoryRoot }, outfile });
}
