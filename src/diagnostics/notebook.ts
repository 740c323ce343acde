/** Jupyter notebooks: finding the code cells, and hiding what is not Python in them. Writing them back is beside it, in notebookEdit. */

/** A code cell; `index` counts all cells of the notebook, not only the code. */
export interface NotebookCell {
  readonly index: number;
  readonly text: string;
}

/**
 * The Python cells of a notebook file.
 *
 * @returns  An empty list for anything that is no notebook, or one in another language: broken files are not this tool's business.
 */
export function readNotebook(json: string): readonly NotebookCell[] {
  let notebook: unknown;
  try {
    notebook = JSON.parse(json);
  } catch {
    return [];
  }
  if (!isRecord(notebook) || !isPython(notebook)) {
    return [];
  }
  return cellsOf(notebook).flatMap((cell, index): readonly NotebookCell[] => {
    if (!isRecord(cell) || cell['cell_type'] !== 'code') {
      return [];
    }
    const text = sourceText(cell['source'] ?? cell['input']);
    return text === undefined ? [] : [{ index, text }];
  });
}

/**
 * Replaces IPython magics and shell lines by Python of the same length, so that offsets stay true.
 */
export function maskMagics(text: string): string {
  const cellMagic = /^\s*%%(\w+)/.exec(text)?.[1];
  if (cellMagic !== undefined && !pythonCellMagics.has(cellMagic)) {
    return text.replace(/[^\r\n]/g, ' ');
  }
  let continues = false;
  return text
    .split('\n')
    .map((line) => {
      const isMagic = continues || isMagicLine(line);
      continues = isMagic && line.trimEnd().endsWith('\\');
      if (isMagic) {
        return maskLine(line);
      }
      const assigned = /^(\s*[\w., ]+=\s*)[!%](?=[A-Za-z])/.exec(line)?.[1];
      return assigned === undefined ? line : `${assigned}0`.padEnd(line.length);
    })
    .join('\n');
}

const pythonCellMagics = new Set(['time', 'timeit', 'capture', 'prun', 'memit', 'mprun', 'lprun', 'python', 'python3', 'px']);

function isMagicLine(line: string): boolean {
  return /^\s*(%{1,2}[A-Za-z]|!|\?)/.test(line) || /^\s*[\w.]+\?{1,2}\s*$/.test(line);
}

function maskLine(line: string): string {
  const indent = /^\s*/.exec(line)?.[0] ?? '';
  const filler = line.length - indent.length >= 4 ? 'pass' : '0';
  return `${indent}${filler}`.slice(0, line.length).padEnd(line.length);
}

function isPython(notebook: Record<string, unknown>): boolean {
  const metadata = notebook['metadata'];
  if (!isRecord(metadata)) {
    return true;
  }
  const kernel = metadata['kernelspec'];
  const info = metadata['language_info'];
  const language = isRecord(info) && typeof info['name'] === 'string' ? info['name'] : isRecord(kernel) && typeof kernel['language'] === 'string' ? kernel['language'] : 'python';
  return /python/i.test(language);
}

function cellsOf(notebook: Record<string, unknown>): readonly unknown[] {
  if (Array.isArray(notebook['cells'])) {
    return notebook['cells'] as readonly unknown[];
  }
  // Format 3 kept cells in worksheets.
  const [worksheet] = Array.isArray(notebook['worksheets']) ? (notebook['worksheets'] as readonly unknown[]) : [];
  return isRecord(worksheet) && Array.isArray(worksheet['cells']) ? (worksheet['cells'] as readonly unknown[]) : [];
}

function sourceText(source: unknown): string | undefined {
  if (typeof source === 'string') {
    return source;
  }
  return Array.isArray(source) && source.every((line) => typeof line === 'string') ? source.join('') : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
