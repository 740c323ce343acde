/**
 * Keeps special-token text in a conversation text, while the template's own markers become ids.
 *
 * Where a message contains a special literal such as `<|assistant|>`, a guard character is put after the literal's first character before the
 * template is rendered. A guarded literal is no token; after the rendered text was cut at real tokens, the guards are taken out of the rest.
 * A conversation without literals is not touched at all, so its ids are exactly those of transformers.
 *
 * Templates may look for literals themselves (GLM-Z1 cuts an answer at `</think>`). That shows: with the guards taken out, the guarded rendering is
 * then not the plain one. Literals whose guard changes the outcome are left as they are, except role markers and other `special` tokens, which stay
 * guarded whatever the template does. The assistant's own turns are guarded against `special` tokens only: `<think>` and `<tool_call>` in them are the
 * model's own output.
 */

import type { TemplateVariables } from './chatTemplate';
import type { AddedTokenJson } from './tokenizerJson';

export interface GuardedText {
  /** The rendered conversation as a reader should see it. */
  readonly text: string;
  /** Pieces in order: an id of a token that the template wrote, or text in which no literal counts. Undefined when nothing had to be guarded. */
  readonly pieces?: readonly (number | string)[];
}

/** Beyond this many different literals outside `special`, testing each would cost too many renderings. */
const maxTestedLiterals = 24;

interface Literal {
  /** Which string of the conversation, in order of a walk over it. */
  readonly leaf: number;
  readonly token: AddedTokenJson;
}

export function renderGuarded(variables: TemplateVariables, tokens: readonly AddedTokenJson[], render: (variables: TemplateVariables) => string): GuardedText {
  const plain = render(variables);
  const literals = findLiterals(variables, tokens);
  if (literals.length === 0) {
    return { text: plain };
  }
  const guard = chooseGuard(plain + JSON.stringify(variables));
  const renderWith = (chosen: readonly Literal[]): string => render(guardVariables(variables, chosen, tokens, guard.char));
  const agrees = (chosen: readonly Literal[]): boolean => {
    try {
      return guard.remove(renderWith(chosen)) === plain;
    } catch {
      return false;
    }
  };
  const always = literals.filter(({ token }) => token.special);
  const others = literals.filter(({ token }) => !token.special);
  let chosen = literals;
  if (!agrees(literals)) {
    const harmless = others.length > maxTestedLiterals ? [] : others.filter((literal) => agrees([literal]));
    chosen = agrees([...always, ...harmless]) ? [...always, ...harmless] : always;
  }
  const rendered = chosen.length === 0 ? plain : renderWith(chosen);
  return { text: guard.remove(rendered), pieces: cutAtTokens(rendered, tokens).map((piece) => (typeof piece === 'string' ? guard.remove(piece) : piece)) };
}

/** Every added token that occurs in a string of the conversation; a token inside another one counts too, since cutting one can free the other. */
function findLiterals(variables: TemplateVariables, tokens: readonly AddedTokenJson[]): readonly Literal[] {
  const literals: Literal[] = [];
  mapStrings(variables, (text, leaf, isAssistant) => {
    for (const token of tokens) {
      if ((token.special || !isAssistant) && text.includes(token.content)) {
        literals.push({ leaf, token });
      }
    }
    return text;
  });
  return literals;
}

function guardVariables(variables: TemplateVariables, chosen: readonly Literal[], tokens: readonly AddedTokenJson[], guard: string): TemplateVariables {
  const byLeaf = new Map<number, Set<AddedTokenJson>>();
  for (const { leaf, token } of chosen) {
    byLeaf.set(leaf, (byLeaf.get(leaf) ?? new Set()).add(token));
  }
  return mapStrings(variables, (text, leaf) => {
    const guarded = byLeaf.get(leaf);
    if (guarded === undefined) {
      return text;
    }
    const positions = new Set<number>();
    for (const token of tokens) {
      if (guarded.has(token)) {
        for (let at = text.indexOf(token.content); at >= 0; at = text.indexOf(token.content, at + 1)) {
          positions.add(at + firstCharLength(token.content));
        }
      }
    }
    let result = '';
    let from = 0;
    for (const at of [...positions].sort((a, b) => a - b)) {
      result += text.slice(from, at) + guard;
      from = at;
    }
    return result + text.slice(from);
  });
}

/** A character that occurs nowhere yet; also removed in the form that `tojson(ensure_ascii=True)` gives it. */
function chooseGuard(everything: string): { readonly char: string; remove(text: string): string } {
  for (let code = 0xf8ff; code >= 0xe000; code--) {
    const char = String.fromCharCode(code);
    const escaped = `\\u${code.toString(16)}`;
    if (!everything.includes(char) && !everything.includes(escaped)) {
      return { char, remove: (text) => text.replaceAll(char, '').replaceAll(escaped, '') };
    }
  }
  throw new Error('every private-use character occurs in the conversation');
}

function firstCharLength(text: string): number {
  return text.codePointAt(0)! > 0xffff ? 2 : 1;
}

/** Cuts a text at added tokens, from the left, the longest first, as the tokenizers library does. */
export function cutAtTokens(text: string, tokens: readonly AddedTokenJson[]): readonly (number | string)[] {
  const byContent = new Map(tokens.map((token) => [token.content, token]));
  const pattern = [...byContent.keys()]
    .sort((a, b) => b.length - a.length)
    .map((content) => content.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'))
    .join('|');
  if (pattern === '') {
    return [text];
  }
  const parts = text.split(new RegExp(`(${pattern})`));
  const pieces: (number | string)[] = [];
  parts.forEach((part, i) => {
    if (i % 2 === 1) {
      pieces.push(byContent.get(part)!.id);
      return;
    }
    let section = part;
    if (byContent.get(parts[i - 1] ?? '')?.rstrip) {
      section = section.trimStart();
    }
    if (byContent.get(parts[i + 1] ?? '')?.lstrip) {
      section = section.trimEnd();
    }
    if (section !== '') {
      pieces.push(section);
    }
  });
  return pieces;
}

/** Rebuilds the conversation with each string replaced; keys of nested objects are strings too (a tool's parameter names come from outside). */
function mapStrings(variables: TemplateVariables, replace: (text: string, leaf: number, isAssistant: boolean) => string): TemplateVariables {
  let leaf = 0;
  const walk = (value: unknown, isAssistant: boolean): unknown => {
    if (typeof value === 'string') {
      return replace(value, leaf++, isAssistant);
    }
    if (Array.isArray(value)) {
      return value.map((item) => walk(item, isAssistant));
    }
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [replace(key, leaf++, isAssistant), walk(item, isAssistant)]));
    }
    return value;
  };
  return {
    ...variables,
    messages: variables.messages.map((message) => walk(message, message.role === 'assistant') as Readonly<Record<string, unknown>>),
    tools: variables.tools === null ? null : variables.tools.map((tool) => walk(tool, false)),
    kwargs: walk(variables.kwargs, false) as Readonly<Record<string, unknown>>,
  };
}
