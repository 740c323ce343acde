// How sources become programs for Node: the one place where the product's build, the tests that start processes, and the measurements take it from.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

export const nodeBundle = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  external: ['vscode', 'koffi', 'onnxruntime-node'],
  loader: { '.cu': 'text', '.py': 'text' },
  alias: {
    // Its ES module looks for itself through import.meta.url, which a CommonJS bundle does not have.
    'web-tree-sitter': join(root, 'node_modules/web-tree-sitter/web-tree-sitter.cjs'),
    // Its UMD entry hides its parts from a bundler.
    'jsonc-parser': join(root, 'node_modules/jsonc-parser/lib/esm/main.js'),
  },
};
