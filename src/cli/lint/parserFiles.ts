/** Where the parser's WebAssembly lies: beside the bundle, or in node_modules when run from source. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ParserFiles } from '../../diagnostics/pythonParser';

/** @param folder  Where the running bundle lies, `dist`; found upwards from there when run from source. */
export function findParserFiles(folder: string): ParserFiles {
  for (let current = folder; dirname(current) !== current; current = dirname(current)) {
    const bundled = { engineWasm: join(current, 'wasm', 'web-tree-sitter.wasm'), pythonWasm: join(current, 'wasm', 'tree-sitter-python.wasm') };
    if (existsSync(bundled.engineWasm)) {
      return bundled;
    }
    const modules = join(current, 'node_modules');
    const installed = { engineWasm: join(modules, 'web-tree-sitter', 'web-tree-sitter.wasm'), pythonWasm: join(modules, '@vscode', 'tree-sitter-wasm', 'wasm', 'tree-sitter-python.wasm') };
    if (existsSync(installed.engineWasm)) {
      return installed;
    }
  }
  return { engineWasm: join(folder, 'wasm', 'web-tree-sitter.wasm'), pythonWasm: join(folder, 'wasm', 'tree-sitter-python.wasm') };
}
