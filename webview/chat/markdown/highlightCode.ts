/**
 * Colours code by class names, line by line as it grows; the colours themselves are theme variables in the code block's style.
 * Imported with the first code block: the highlighter's own start takes 40 ms.
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

/** Code behind this many characters, or behind a line longer than that, stays plain. */
const maxCharacters = 100_000;
const maxLineCharacters = 2_000;
/** Up to this many lines a construct over several lines is tried again with each line, then less and less often. */
const numLinesTriedSingly = 8;

/** Whether code of this language can be coloured. The first call for a language prepares it, which takes some milliseconds. */
export function prepareLanguage(language: string): boolean {
  if (language === '' || knownLanguages().getLanguage(language) === undefined) {
    return false;
  }
  highlighter.highlight('', { language });
  return true;
}

/**
 * Colours lines in the order in which they come.
 *
 * The highlighter cannot go on where it stopped. But where a line ends outside of every string, comment and other construct, the next one
 * can be coloured without the lines before it: what is in front of such a place is settled. What comes out depends on the code alone,
 * not on how it was cut into calls.
 */
export class LineHighlighter {
  private unsettled = '';
  private numUnsettledLines = 0;
  private nextTry = 1;
  /** The latest try, and how much of the unsettled code was in it. */
  private triedHtml = '';
  private numTriedCharacters = 0;
  private numCharacters = 0;
  private isBeyondLimit = false;

  /** @param language  One that {@link prepareLanguage} knows. */
  constructor(private readonly language: string) {}

  /** Takes a line, its line break included. @returns HTML with `hljs-` spans of what has become settled, '' when nothing has. */
  addLine(line: string): string {
    this.numCharacters += line.length;
    if (this.isBeyondLimit || line.length > maxLineCharacters || this.numCharacters > maxCharacters) {
      this.isBeyondLimit = true;
      return this.finish() + escapeHtml(line);
    }
    this.unsettled += line;
    this.numUnsettledLines += 1;
    if (this.numUnsettledLines < this.nextTry) {
      return '';
    }
    const { value, _top: top } = highlighter.highlight(this.unsettled, { language: this.language, ignoreIllegals: true });
    // A backslash continues the line, although the highlighter ends its construct with the text.
    const isSettled = top !== undefined && !('parent' in top && top.parent !== undefined) && !line.endsWith('\\\n');
    if (!isSettled) {
      this.triedHtml = value;
      this.numTriedCharacters = this.unsettled.length;
      this.nextTry = this.numUnsettledLines < numLinesTriedSingly ? this.numUnsettledLines + 1 : Math.ceil(this.numUnsettledLines * 1.25);
      return '';
    }
    this.forget();
    return value;
  }

  /** HTML of what is not settled yet, as it looks so far. */
  preview(): string {
    return this.triedHtml + escapeHtml(this.unsettled.slice(this.numTriedCharacters));
  }

  /** No more lines will come: HTML of the rest. */
  finish(): string {
    const rest = this.unsettled.length === this.numTriedCharacters ? this.triedHtml : highlighter.highlight(this.unsettled, { language: this.language, ignoreIllegals: true }).value;
    this.forget();
    return rest;
  }

  private forget(): void {
    this.unsettled = '';
    this.numUnsettledLines = 0;
    this.nextTry = 1;
    this.triedHtml = '';
    this.numTriedCharacters = 0;
  }
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
