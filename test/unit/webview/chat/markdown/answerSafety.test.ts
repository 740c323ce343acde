// @vitest-environment jsdom
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMarkdown, renderTokens } from '../../../../../webview/chat/markdown/markdownParser';
import { sanitizeHtml } from '../../../../../webview/chat/markdown/sanitizeHtml';

function rendered(markdown: string): HTMLElement {
  const holder = document.createElement('div');
  holder.append(sanitizeHtml(renderTokens(parseMarkdown(markdown, {}), {})));
  return holder;
}

const forbidden = 'script, style, img, svg, iframe, form, input, button, object, embed, link, meta, base, video, audio, math';

function expectHarmless(holder: HTMLElement): void {
  expect(holder.querySelector(forbidden)).toBeNull();
  for (const element of holder.querySelectorAll('*')) {
    for (const attribute of element.getAttributeNames()) {
      expect(['href', 'class', 'title', 'start', 'rel'], `${element.outerHTML}`).toContain(attribute);
    }
    const address = element.getAttribute('href');
    if (address !== null) {
      expect(address).toMatch(/^https?:\/\//i);
    }
  }
}

describe('answers', () => {
  it.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '<a href="javascript:alert(1)">x</a>',
    '<svg><animate onbegin=alert(1)></svg>',
    '<style>*{display:none}</style>',
    '<div style="position:fixed">x</div>',
    '<iframe src="https://example.org"></iframe>',
    '<form action="https://example.org"><input></form>',
    '[x](javascript:alert(1))',
    '[x](JaVaScRiPt:alert(1))',
    '[x](command:workbench.action.terminal.new)',
    '[x](vscode://file/etc/passwd)',
    '[x](data:text/html,<script>alert(1)</script>)',
    '[x](file:///etc/passwd)',
    '[x](//example.org)',
    '[x]: javascript:alert(1)\n\n[x]',
    '<javascript:alert(1)>',
    '![x](data:image/svg+xml;base64,PHN2Zy8+)',
    '![x](https://example.org/pixel.png)',
    '| a |\n|:-:|\n| <img src=x onerror=alert(1)> |',
    '```"><script>alert(1)</script>\ncode\n```',
    '&lt;script&gt;alert(1)&lt;/script&gt;',
    '<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>',
  ])('%s does nothing', (markdown) => {
    expectHarmless(rendered(markdown));
  });

  it('show remote images as links', () => {
    const anchor = rendered('![a cat](https://example.org/cat.png)').querySelector('a');
    expect(anchor?.getAttribute('href')).toBe('https://example.org/cat.png');
    expect(anchor?.textContent).toBe('Image: a cat');
  });

  it('keep http and https links', () => {
    const holder = rendered('[a](https://example.org/x?y=1) <http://example.org> https://example.org/z');
    expect([...holder.querySelectorAll('a')].map((anchor) => anchor.getAttribute('href'))).toEqual(['https://example.org/x?y=1', 'http://example.org', 'https://example.org/z']);
  });

  it('align table cells without style attributes', () => {
    expect(rendered('| a | b |\n|:-:|--:|\n| 1 | 2 |').querySelectorAll('.align-center, .align-right')).toHaveLength(4);
  });

  it('let no forbidden element or attribute through, whatever is thrown in', () => {
    const bits = fc.constantFrom('<', '>', '"', "'", '`', '[', ']', '(', ')', '!', '\n', ' ', '&', ';', '/', 'script', 'img', 'src=', 'onerror=', 'javascript:', 'https://e.org', 'svg', 'style', 'a href=', '|', '---', 'data:text/html,', '\u0000', '\\');
    fc.assert(
      fc.property(fc.array(bits, { maxLength: 40 }), (list) => {
        expectHarmless(rendered(list.join('')));
      }),
      { numRuns: 150 },
    );
  });

  it('strips what would get past the Markdown parser', () => {
    const holder = document.createElement('div');
    holder.append(sanitizeHtml('<p onclick="x()" style="color:red" id="y">t<script>x()</script><a href="javascript:x()">l</a></p>'));
    expectHarmless(holder);
    expect(holder.textContent).toBe('tl');
  });
});
