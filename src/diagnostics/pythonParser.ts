/** Makes the parser that the analyser is handed. Loading is WebAssembly only: nothing native, works in every process. */
import { Language, Parser } from 'web-tree-sitter';

/** Paths or URLs of the two modules, as `dist/wasm` holds them. */
export interface ParserFiles {
  readonly engineWasm: string;
  readonly pythonWasm: string;
}

let ready: Promise<void> | undefined;

/** A parser for Python. The caller deletes it; several may live at once. */
export async function createPythonParser(files: ParserFiles): Promise<Parser> {
  ready ??= Parser.init({ locateFile: () => files.engineWasm });
  await ready;
  const parser = new Parser();
  parser.setLanguage(await Language.load(files.pythonWasm));
  return parser;
}
