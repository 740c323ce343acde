/**
 * Colours code by class names; the colours themselves are theme variables in the code block's style.
 * Imported when the first code block is complete: the highlighter's own start takes 40 ms.
 */

import highlighter from 'highlight.js/lib/core';
import bash from 'highlight.js/lib/languages/bash';
import cpp from 'highlight.js/lib/languages/cpp';
import csharp from 'highlight.js/lib/languages/csharp';
import cssLanguage from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import go from 'highlight.js/lib/languages/go';
import ini from 'highlight.js/lib/languages/ini';
import java from 'highlight.js/lib/languages/java';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import markdown from 'highlight.js/lib/languages/markdown';
import python from 'highlight.js/lib/languages/python';
import rust from 'highlight.js/lib/languages/rust';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';

const languages = { bash, cpp, csharp, css: cssLanguage, diff, dockerfile, go, ini, java, javascript, json, markdown, python, rust, sql, typescript, xml, yaml };

/** Registers the languages with the first code block: doing it at start would delay the first paint. */
function knownLanguages(): typeof highlighter {
  if (highlighter.listLanguages().length === 0) {
    for (const [name, definition] of Object.entries(languages)) {
      highlighter.registerLanguage(name, definition);
    }
    highlighter.registerAliases(['cuda', 'cu', 'c', 'h', 'metal', 'hlsl', 'glsl'], { languageName: 'cpp' });
    highlighter.registerAliases(['jsonc', 'json5', 'jsonl'], { languageName: 'json' });
    highlighter.registerAliases(['py', 'python3', 'ipython', 'pycon'], { languageName: 'python' });
    highlighter.registerAliases(['shell', 'console', 'zsh', 'powershell'], { languageName: 'bash' });
    highlighter.registerAliases(['vue', 'svelte'], { languageName: 'xml' });
  }
  return highlighter;
}

/** Longer code stays plain: colouring it would hold the page for longer than a few frames. */
const maxCharacters = 40_000;

/** HTML with `hljs-` spans and the text escaped, or undefined when the language is unknown or the code too long. */
export function highlightCode(code: string, language: string): string | undefined {
  if (language === '' || code.length > maxCharacters || knownLanguages().getLanguage(language) === undefined) {
    return undefined;
  }
  return highlighter.highlight(code, { language, ignoreIllegals: true }).value;
}

/** Cuts highlighted HTML into pieces of `linesPerPiece` lines; spans open at a cut are closed and opened again. */
export function splitHighlighted(htmlText: string, linesPerPiece: number): readonly string[] {
  const pieces: string[] = [];
  const open: string[] = [];
  let piece = '';
  let numLines = 0;
  for (const [part] of htmlText.matchAll(/<span[^>]*>|<\/span>|\n|[^<\n]+|</g)) {
    if (part === '\n') {
      numLines += 1;
      if (numLines === linesPerPiece) {
        pieces.push(piece + '</span>'.repeat(open.length));
        piece = open.join('');
        numLines = 0;
        continue;
      }
    } else if (part.startsWith('<span')) {
      open.push(part);
    } else if (part === '</span>') {
      open.pop();
    }
    piece += part;
  }
  pieces.push(piece);
  return pieces;
}
