// @vitest-environment jsdom
import { describe, expect, it } from 'vitest';
import { CodeLines, linesPerPiece } from '../../../../../webview/chat/markdown/codeLines';
import { editorLanguageId } from '../../../../../webview/chat/markdown/editorLanguage';
import { LineHighlighter, prepareLanguage } from '../../../../../webview/chat/markdown/highlightCode';

const textOf = (htmlText: string): string => {
  const holder = document.createElement('div');
  holder.innerHTML = htmlText;
  return holder.textContent ?? '';
};

const code = `"""A string
over ${'many\nlines '.repeat(60)}"""
def f(x):
    return f"{x} <b>" if x & 1 else 'a'
`;

/** HTML of `text` given line by line. */
function highlighted(text: string, language: string): string {
  expect(prepareLanguage(language)).toBe(true);
  const highlighter = new LineHighlighter(language);
  return text.split(/(?<=\n)/).map((line) => highlighter.addLine(line)).join('') + highlighter.finish();
}

describe('LineHighlighter', () => {
  it('colours known languages and their aliases, and loses no character', () => {
    for (const language of ['python', 'py', 'python3']) {
      const whole = highlighted(code, language);
      expect(whole).toContain('hljs-keyword');
      expect(textOf(whole)).toBe(code);
    }
    expect(highlighted('__global__ void f() {}', 'cuda')).toContain('hljs-');
  });

  it('knows no other languages', () => {
    expect(prepareLanguage('klingon')).toBe(false);
    expect(prepareLanguage('')).toBe(false);
  });

  it('settles a line once nothing that began in it is open', () => {
    prepareLanguage('python');
    const highlighter = new LineHighlighter('python');
    const settled = ['x = 1\n', 'y = """a\n', 'b\n', '"""\n', 'z = 2\n'].map((line) => textOf(highlighter.addLine(line)));
    expect(settled).toEqual(['x = 1\n', '', '', 'y = """a\nb\n"""\n', 'z = 2\n']);
  });

  it('sees a comment, a string and a macro over several lines as one', () => {
    const firstOf = (kind: string, text: string, language: string): string | undefined => {
      const holder = document.createElement('div');
      holder.innerHTML = highlighted(text, language);
      return holder.querySelector(`.hljs-${kind}`)?.textContent ?? undefined;
    };
    expect(firstOf('comment', '/* a\n b\n c */\nint x;\n', 'cpp')).toBe('/* a\n b\n c */');
    expect(firstOf('string', 'const a = `x\ny`;\n', 'typescript')).toBe('`x\ny`');
    expect(firstOf('meta', '#define A 1 \\\n  + 2\nint y;\n', 'cpp')).toBe('#define A 1 \\\n  + 2');
  });

  it('shows what is not settled in its colours so far', () => {
    prepareLanguage('python');
    const highlighter = new LineHighlighter('python');
    expect(highlighter.addLine('"""begun <\n')).toBe('');
    expect(highlighter.preview()).toBe('<span class="hljs-string">&quot;&quot;&quot;begun &lt;\n</span>');
  });

  it('leaves what is behind a very long line or a very long code plain', () => {
    const whole = highlighted(`a = 1\nb = "${'x'.repeat(3000)}"\nc = "<1>"\n`, 'python');
    expect(whole).toContain('<span class="hljs-number">1</span>\nb = "xxx');
    expect(whole).toMatch(/\nc = "&lt;1&gt;"\n$/);
    expect(highlighted('x = 1\n'.repeat(20_000), 'python')).toMatch(/\nx = 1\n$/);
  });
});

describe('CodeLines', () => {
  const pieces = (element: HTMLElement): readonly string[] => [...element.children].map((piece) => piece.innerHTML);

  it('cuts between lines and opens spans again, so that each piece stands alone', () => {
    const element = document.createElement('code');
    new CodeLines(element).writeHighlighted(highlighted(code, 'python'));
    expect(element.children.length).toBe(Math.ceil((code.split('\n').length - 1) / linesPerPiece));
    expect([...element.children].map((piece) => piece.textContent).join('\n')).toBe(code.replace(/\n$/, ''));
    expect(pieces(element)[1]).toMatch(/^<span class="hljs-string">lines many/);
  });

  it('looks the same however its text was cut and coloured', () => {
    const whole = highlighted(code, 'python');
    const atOnce = document.createElement('code');
    new CodeLines(atOnce).writeHighlighted(whole);
    const element = document.createElement('code');
    const lines = new CodeLines(element);
    const highlighter = new LineHighlighter('python');
    for (const line of code.split(/(?<=\n)/)) {
      for (const part of line.match(/.{1,5}|\n/gs) ?? []) {
        lines.writeText(part);
      }
      const settled = highlighter.addLine(line);
      lines.returnToMark();
      lines.writeHighlighted(settled);
      lines.mark();
      lines.writeHighlighted(highlighter.preview());
    }
    lines.returnToMark();
    lines.writeHighlighted(highlighter.finish());
    lines.mark();
    expect(pieces(element)).toEqual(pieces(atOnce));
  });

  it('takes plain text back to the mark, over several pieces', () => {
    const element = document.createElement('code');
    const lines = new CodeLines(element);
    lines.writeText('kept');
    lines.mark();
    lines.writeText(' and gone\n'.repeat(200));
    lines.returnToMark();
    lines.writeText('!\n\n');
    expect(pieces(element)).toEqual(['kept!\n']);
  });

  it('makes an element of nothing but a span of the highlighter', () => {
    const element = document.createElement('code');
    new CodeLines(element).writeHighlighted('<img src=x onerror=a><span class="a" onclick="b">&lt;b&gt;&amp;lt;');
    expect(element.querySelector('img, [onclick]')).toBeNull();
    expect(element.textContent).toBe('<img src=x onerror=a><span class="a" onclick="b"><b>&lt;');
  });
});

describe('editorLanguageId', () => {
  it('names the editor’s own ids', () => {
    expect([editorLanguageId('sh'), editorLanguageId('py'), editorLanguageId('rust'), editorLanguageId('')]).toEqual(['shellscript', 'python', 'rust', undefined]);
  });
});
