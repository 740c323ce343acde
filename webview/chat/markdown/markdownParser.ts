/**
 * Markdown to HTML text, for answers that are not trusted.
 *
 * Raw HTML stays text, only http and https become links, images become links to them, and no style attributes are written,
 * since the content policy would refuse them. What comes out still goes through sanitizeHtml.
 */

import createMarkdownIt, { type Env, type MarkdownIt, type Token } from 'markdown-it';

/** Link reference definitions seen so far; shared by the pieces of one answer. */
export type MarkdownEnvironment = Env;

let parser: MarkdownIt | undefined;

/** Made with the first answer, not before the first paint. */
function markdownParser(): MarkdownIt {
  return (parser ??= createParser());
}

function createParser(): MarkdownIt {
  const markdown = new createMarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });
  const { escapeHtml } = markdown.utils;
  const { rules } = markdown.renderer;
  markdown.validateLink = isOpenableAddress;
  markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
  rules.image = (tokens, index) => {
    const token = tokens[index] as Token;
    const address = String(token.attrGet('src') ?? '');
    return `<a class="image-link" href="${escapeHtml(address)}">${escapeHtml(`Image: ${token.content || address}`)}</a>`;
  };
  rules.th_open = rules.td_open = (tokens, index) => {
    const token = tokens[index] as Token;
    const alignment = /text-align:(left|center|right)/.exec(String(token.attrGet('style') ?? ''))?.[1];
    return alignment === undefined ? `<${token.tag}>` : `<${token.tag} class="align-${alignment}">`;
  };
  rules.fence = rules.code_block = (tokens, index) => {
    const token = tokens[index] as Token;
    return `<pre class="fence"><code class="language-${escapeHtml(fenceLanguage(token.info))}">${escapeHtml(token.content)}</code></pre>`;
  };
  return markdown;
}

/** True for the only addresses an answer may link to. */
export function isOpenableAddress(address: string): boolean {
  return /^https?:\/\//i.test(address.trim());
}

/** The language of a fence's info string: `python title="x"` is `python`. */
export function fenceLanguage(info: string): string {
  return /^[\w+#.-]{1,40}/.exec(info.trim())?.[0].toLowerCase() ?? '';
}

export function parseMarkdown(source: string, environment: MarkdownEnvironment): Token[] {
  return markdownParser().parse(source, environment);
}

/** A table of the given head and rows, each as its own tokens. */
export function renderTable(head: readonly Token[], rows: readonly (readonly Token[])[], environment: MarkdownEnvironment): string {
  const body = rows.length === 0 ? '' : `<tbody>${rows.map((row) => renderTokens([...row], environment)).join('')}</tbody>`;
  return `<table>${renderTokens([...head], environment)}${body}</table>`;
}

export function renderTokens(tokens: Token[], environment: MarkdownEnvironment): string {
  const markdown = markdownParser();
  return markdown.renderer.render(tokens, markdown.options, environment);
}
