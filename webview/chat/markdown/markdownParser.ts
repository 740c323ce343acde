/**
 * Markdown to HTML text, for answers that are not trusted.
 *
 * Raw HTML stays text, only http and https become links, images become links to them, and no style attributes are written,
 * since the content policy would refuse them. What comes out still goes through sanitizeHtml.
 */

import MarkdownIt, { type Env, type Token } from 'markdown-it';

const markdown = new MarkdownIt({ html: false, linkify: true, breaks: false, typographer: false });

/** Link reference definitions seen so far; shared by the pieces of one answer. */
export type MarkdownEnvironment = Env;

markdown.validateLink = isOpenableAddress;
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });

markdown.renderer.rules.image = (tokens, index) => {
  const token = tokens[index] as Token;
  const address = String(token.attrGet('src') ?? '');
  const label = markdown.utils.escapeHtml(`Image: ${token.content || address}`);
  return `<a class="image-link" href="${markdown.utils.escapeHtml(address)}">${label}</a>`;
};

for (const rule of ['th_open', 'td_open'] as const) {
  markdown.renderer.rules[rule] = (tokens, index) => {
    const token = tokens[index] as Token;
    const alignment = /text-align:(left|center|right)/.exec(String(token.attrGet('style') ?? ''))?.[1];
    return alignment === undefined ? `<${token.tag}>` : `<${token.tag} class="align-${alignment}">`;
  };
}

markdown.renderer.rules.fence = (tokens, index) => {
  const token = tokens[index] as Token;
  const language = fenceLanguage(token.info);
  return `<pre class="fence"><code class="language-${markdown.utils.escapeHtml(language)}">${markdown.utils.escapeHtml(token.content)}</code></pre>`;
};
markdown.renderer.rules.code_block = markdown.renderer.rules.fence;

/** True for the only addresses an answer may link to. */
export function isOpenableAddress(address: string): boolean {
  return /^https?:\/\//i.test(address.trim());
}

/** The language of a fence's info string: `python title="x"` is `python`. */
export function fenceLanguage(info: string): string {
  return /^[\w+#.-]{1,40}/.exec(info.trim())?.[0].toLowerCase() ?? '';
}

export function parseMarkdown(source: string, environment: MarkdownEnvironment): Token[] {
  return markdown.parse(source, environment);
}

/** A table of the given head and rows, each as its own tokens. */
export function renderTable(head: readonly Token[], rows: readonly (readonly Token[])[], environment: MarkdownEnvironment): string {
  const body = rows.length === 0 ? '' : `<tbody>${rows.map((row) => renderTokens([...row], environment)).join('')}</tbody>`;
  return `<table>${renderTokens([...head], environment)}${body}</table>`;
}

export function renderTokens(tokens: Token[], environment: MarkdownEnvironment): string {
  return markdown.renderer.render(tokens, markdown.options, environment);
}
