/** Entry of the lint thread: parses and analyses, so that typing never waits for it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { LintSession, lintNotebook, lintPython, type PythonParser } from '../../diagnostics/analyzer';
import { fixAll } from '../../diagnostics/applyFixes';
import { readNotebook, type NotebookCell } from '../../diagnostics/notebook';
import { createPythonParser } from '../../diagnostics/pythonParser';
import type { LintSettings } from '../../diagnostics/settings';
import { documentIndex, type LintReply, type LintRequest, type LintResult, type LintWork } from './lintMessages';

const maxFileBytes = 4_000_000;

const parser = createPythonParser({ engineWasm: join(__dirname, 'wasm', 'web-tree-sitter.wasm'), pythonWasm: join(__dirname, 'wasm', 'tree-sitter-python.wasm') });
const sessions = new Map<string, LintSession>();

parentPort?.on('message', (request: LintRequest) => {
  void answer(request).then((reply) => parentPort?.postMessage(reply));
});

async function answer({ id, work }: LintRequest): Promise<LintReply> {
  try {
    return { id, result: await run(await parser, work) };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

async function run(python: Awaited<typeof parser>, work: LintWork): Promise<LintResult> {
  switch (work.kind) {
    case 'document': {
      const session = sessions.get(work.key) ?? new LintSession(python);
      sessions.set(work.key, session);
      return { diagnostics: session.update(work.text, work.settings), changed: [] };
    }
    case 'notebook':
      return { diagnostics: lintNotebook(python, work.cells, work.settings), changed: [] };
    case 'file': {
      const bytes = await readFile(work.path);
      const text = bytes.length > maxFileBytes ? '' : bytes.toString('utf8');
      const diagnostics = work.path.endsWith('.ipynb') ? lintNotebook(python, readNotebook(text), work.settings) : lintPython(python, text, work.settings);
      return { diagnostics, changed: [] };
    }
    case 'fix-all':
      return { diagnostics: [], changed: fixCells(python, work.cells, work.settings) };
    case 'close':
      sessions.get(work.key)?.dispose();
      sessions.delete(work.key);
      return { diagnostics: [], changed: [] };
  }
  work satisfies never;
}

function fixCells(python: PythonParser, cells: readonly NotebookCell[], settings: LintSettings): readonly NotebookCell[] {
  const isDocument = cells[0]?.index === documentIndex;
  const before = new Map<number | undefined, string>(cells.map((cell) => [isDocument ? undefined : cell.index, cell.text]));
  const lint = (texts: ReadonlyMap<number | undefined, string>) =>
    isDocument ? lintPython(python, texts.get(undefined) ?? '', settings) : lintNotebook(python, [...texts].map(([index, text]) => ({ index: index ?? 0, text })), settings);
  const { texts } = fixAll(before, lint, 'safe');
  return [...texts].filter(([index, text]) => before.get(index) !== text).map(([index, text]) => ({ index: index ?? documentIndex, text }));
}
