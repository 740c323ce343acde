// @vitest-environment jsdom
import { describe, expect, it } from 'vitest';
import { editorLanguageId } from '../../../../../webview/chat/markdown/editorLanguage';
import { highlightCode, splitHighlighted } from '../../../../../webview/chat/markdown/highlightCode';

const textOf = (htmlText: string): string => {
  const holder = document.createElement('div');
  holder.innerHTML = htmlText;
  return holder.textContent ?? '';
};

const code = `"""A string
over ${'many\nlines '.repeat(30)}"""
def f(x):
    return f"{x} <b>"
`;

describe('highlightCode', () => {
  it('colours known languages and their aliases, and loses no character', () => {
    for (const language of ['python', 'py', 'python3']) {
      const highlighted = highlightCode(code, language) ?? '';
      expect(highlighted).toContain('hljs-keyword');
      expect(textOf(highlighted)).toBe(code);
    }
    expect(highlightCode('__global__ void f() {}', 'cuda')).toContain('hljs-');
  });

  it('leaves unknown languages and very long code plain', () => {
    expect(highlightCode('x', 'klingon')).toBeUndefined();
    expect(highlightCode('x', '')).toBeUndefined();
    expect(highlightCode('x = 1\n'.repeat(8_000), 'python')).toBeUndefined();
  });
});

describe('splitHighlighted', () => {
  it('cuts between lines and opens spans again, so that each piece stands alone', () => {
    const pieces = splitHighlighted(highlightCode(code, 'python') ?? '', 7);
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.map(textOf).join('\n')).toBe(code);
    for (const piece of pieces) {
      expect(piece.split('<span').length).toBe(piece.split('</span>').length);
      expect(textOf(piece).split('\n').length).toBeLessThanOrEqual(7);
    }
    expect(pieces[2]).toContain('<span class="hljs-string">');
  });
});

describe('editorLanguageId', () => {
  it('names the editor’s own ids', () => {
    expect([editorLanguageId('sh'), editorLanguageId('py'), editorLanguageId('rust'), editorLanguageId('')]).toEqual(['shellscript', 'python', 'rust', undefined]);
  });
});
