// @vitest-environment jsdom
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MarkdownStream } from '../../../../../webview/chat/markdown/markdownStream';
import '../../../../../webview/chat/markdown/codeBlock';
import type { CodeBlock } from '../../../../../webview/chat/markdown/codeBlock';

beforeAll(() => {
  // jsdom has no idle time; colouring is tested by itself.
  window.requestIdleCallback = () => 0;
});

/** Feeds `pieces` one after the other, then finishes. */
function streamed(pieces: readonly string[]): HTMLElement {
  const container = document.createElement('div');
  const stream = new MarkdownStream(container, () => 0);
  let source = '';
  for (const piece of pieces) {
    source += piece;
    stream.update(source, false);
  }
  stream.update(source, true);
  return container;
}

/** The result as comparable text, code blocks spelled out. */
function structure(container: HTMLElement): string {
  const copy = container.cloneNode(true) as HTMLElement;
  const originals = [...container.querySelectorAll<CodeBlock>('glm-code-block')];
  for (const [index, element] of [...copy.querySelectorAll('glm-code-block')].entries()) {
    const text = document.createElement('code-text');
    text.textContent = `${originals[index]?.language}|${originals[index]?.code}`;
    element.replaceWith(text);
  }
  return copy.innerHTML;
}

/** Items finished before a list turned out to be loose become so at its end. */
function withoutParagraphsInItems(container: HTMLElement): string {
  return structure(container).replaceAll(/\n(?=<)|(?<=>)\n/g, '').replaceAll(/(?<=<li>)<p>(.*?)<\/p>/gs, '$1');
}

const parts = fc.constantFrom(
  'A paragraph with **bold**, `code` and a [link](https://example.org).\n\n',
  'Two lines\nin one paragraph\n\n',
  '# Heading\n\n',
  'Setext\n===\n\n',
  '- one\n- two\n  - inner\n  - more\n- three\n\n',
  '1. first\n2. second\n\n   with a paragraph\n3. third\n\n',
  '* other marker\n* again\n',
  '- item with code\n\n  ```js\n  let x = 1;\n  ```\n- next\n\n',
  '```python\nprint("a")\n\n# - not a list\n```\n\n',
  '~~~\ntildes ``` inside\n~~~\n',
  '````md\n```\nnested\n```\n````\n\n',
  '| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 | 4 |\n\n',
  '| only a head |\n|---|\n\n',
  'Text then table\n\n| x |\n|:-:|\n| `a` |\n| **b** |\n| c |\nText right after\n\n',
  '> quoted\n> - list\n\n',
  '---\n\n',
  '    indented code\n\n',
  'Text before\n- list without a gap\n\n',
  '中文段落，没有空格。\n\n',
  '- tight\n- then\n\n- loose\n- again\n\n',
  '1. loose\n\n2. list\n\n3. throughout\n\n',
  '- # heading in an item\n- > quote in an item\n\n- \n\n',
  'An address https://example.org/a_b?c=1 in *the* middle_of_words, 2 < 3 & 4 > 1; `a` b.  \nA hard break and a ] [stray](bracket\n\n',
  '1. one\n- minus\n* star\n+ plus\n\n',
);

describe('MarkdownStream', () => {
  it('ends with the same page however the text is cut, and as if it had come at once', () => {
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1, maxLength: 8 }), fc.array(fc.nat(), { maxLength: 60 }), (documentParts, cuts) => {
        const source = documentParts.join('');
        const places = [...new Set(cuts.map((cut) => cut % source.length))].sort((a, b) => a - b);
        const pieces = [0, ...places].map((start, index) => source.slice(start, places[index]));
        expect(structure(streamed(pieces))).toBe(structure(streamed([source])));
      }),
      { numRuns: 20 },
    );
  });

  it('ends with a tight list where a rule after it looked like one more item for a moment', () => {
    const source = '- one\n- two\n- three\n\n---\n\nText\n';
    for (let cut = 1; cut < source.length; cut += 1) {
      expect(structure(streamed([source.slice(0, cut), source.slice(cut)]))).toBe(structure(streamed([source])));
    }
  });

  it('shows at each moment what the text so far would show by itself', () => {
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1, maxLength: 3 }), fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }), (documentParts, steps) => {
        const source = documentParts.join('');
        const container = document.createElement('div');
        const stream = new MarkdownStream(container, () => 0);
        for (let end = 0, step = 0; end < source.length; step += 1) {
          end += steps[step % steps.length] ?? 1;
          stream.update(source.slice(0, end), false);
          const alone = document.createElement('div');
          new MarkdownStream(alone, () => 0).update(source.slice(0, end), false);
          expect(withoutParagraphsInItems(container)).toBe(withoutParagraphsInItems(alone));
        }
      }),
      { numRuns: 6 },
    );
  });

  it('ends with the same page character by character', () => {
    const source = 'Intro\n\n- a\n- b\n\n1. x\n2. y\n\n```ts\nconst a = `b`;\n```\n\n| t |\n|---|\n| 1 |\n\nEnd --- done\n---\n';
    expect(structure(streamed([...source]))).toBe(structure(streamed([source])));
  });

  it('does not touch finished blocks again', () => {
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => 0);
    stream.update('First paragraph.\n\nSecond paragraph begins', false);
    stream.update('First paragraph.\n\nSecond paragraph begins here and goes on', false);
    const [first, second] = container.querySelectorAll('.block');
    stream.update('First paragraph.\n\nSecond paragraph begins here and goes on and **on**', false);
    expect([...container.querySelectorAll('.block')][0]).toBe(first);
    expect([...container.querySelectorAll('.block')][1]).not.toBe(second);
    expect(container.textContent).toContain('on and on');
  });

  it('adds words to the text on screen without rendering the block again', () => {
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => 0);
    stream.update('Some **bold** words', false);
    const paragraph = container.querySelector('p');
    stream.update('Some **bold** words and ', false);
    stream.update('Some **bold** words and more of them', false);
    expect(container.querySelector('p')).toBe(paragraph);
    expect(container.querySelector('p')?.outerHTML).toBe('<p>Some <strong>bold</strong> words and more of them</p>');
    stream.update('Some **bold** words and more of them, *too*', false);
    expect(container.querySelector('p')?.outerHTML).toBe('<p>Some <strong>bold</strong> words and more of them, <em>too</em></p>');
  });

  it('shows bold, italics and code as such before they are closed', () => {
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => 0);
    const shown = (source: string): string | undefined => {
      stream.update(source, false);
      return container.querySelector('p, li')?.innerHTML;
    };
    expect(shown('Move **the in')).toBe('Move <strong>the in</strong>');
    expect(shown('Move **the inputs')).toBe('Move <strong>the inputs</strong>');
    expect(shown('Move **the inputs** to `dev')).toBe('Move <strong>the inputs</strong> to <code>dev</code>');
    expect(shown('Move **the inputs** to `device` *')).toBe('Move <strong>the inputs</strong> to <code>device</code>');
    stream.update('Move **the inputs** to `device` **and', true);
    expect(container.querySelector('p')?.innerHTML).toBe('Move <strong>the inputs</strong> to <code>device</code> **and');
  });

  it('keeps the blocks of a long text in groups that do not depend on how it came', () => {
    const source = Array.from({ length: 50 }, (_, index) => `Paragraph ${index}.\n\n- a\n- b\n\n`).join('');
    const groups = (pieces: readonly string[]): readonly number[] => [...streamed(pieces).children].map((group) => group.childElementCount);
    expect(groups([source])).toEqual([16, 16, 16, 16, 16, 16, 4]);
    expect(groups(source.match(/.{1,7}/gs) ?? [])).toEqual([16, 16, 16, 16, 16, 16, 4]);
  });

  it('keeps one code block while its code arrives and holds back what may be the closing line', () => {
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => 0);
    stream.update('```py\nx = 1\n', false);
    const block = container.querySelector<CodeBlock>('glm-code-block');
    expect(block?.language).toBe('py');
    stream.update('```py\nx = 1\ny = 2\n``', false);
    expect(container.querySelector('glm-code-block')).toBe(block);
    expect(block?.code).toBe('x = 1\ny = 2\n');
    stream.update('```py\nx = 1\ny = 2\n```\nAfter', false);
    expect(block?.code).toBe('x = 1\ny = 2\n');
    expect(container.textContent).toContain('After');
    expect(container.querySelectorAll('glm-code-block')).toHaveLength(1);
  });

  it('closes a fence that the model left open', () => {
    const container = streamed(['```sh\nls', ' -l']);
    expect(container.querySelector<CodeBlock>('glm-code-block')?.code).toBe('ls -l');
  });

  it('shows text that is not a continuation as a new text', () => {
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => 0);
    stream.update('Old answer.\n\nMore.\n\n', true);
    stream.update('New', true);
    expect(container.textContent?.trim()).toBe('New');
  });

  it('resolves a link whose definition comes after it', () => {
    const container = streamed(['See [the docs][d].\n\n', 'More text follows here.\n\n', '[d]: https://example.org/d\n']);
    expect(container.querySelector('a')?.getAttribute('href')).toBe('https://example.org/d');
  });

  it('rests after an expensive rendering of something large and says that it is behind', () => {
    let nowMs = 0;
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => (nowMs += 10));
    const long = 'Some text, *long*. '.repeat(200);
    expect(stream.update(long, false)).toBe(true);
    expect(stream.update(`${long}And *more*, *later*`, false)).toBe(false);
    expect(container.textContent).not.toContain('later');
    nowMs += 2000;
    expect(stream.update(`${long}And *more*, *later*`, false)).toBe(true);
    expect(container.textContent).toContain('later');
  });

  it('rests when the layout took long, which is known only later', () => {
    let nowMs = 0;
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => nowMs);
    const long = 'Some text, *long*. '.repeat(200);
    stream.update(long, false);
    nowMs += 40;
    stream.onLayout();
    expect(stream.update(`${long}And *more*, *later*`, false)).toBe(false);
  });

  it('takes no later change of size for the layout of what it rendered', () => {
    let nowMs = 0;
    const stream = new MarkdownStream(document.createElement('div'), () => nowMs);
    const long = 'Some text, *long*. '.repeat(200);
    stream.update(long, false);
    nowMs += 5000;
    stream.onLayout();
    expect(stream.update(`${long}*More*`, false)).toBe(true);
  });

  it('never rests while blocks are small, however slow the machine', () => {
    let nowMs = 0;
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => (nowMs += 50));
    for (let index = 0; index < 20; index += 1) {
      expect(stream.update('A *word* or `two`. '.repeat(index), false)).toBe(true);
      stream.onLayout();
    }
  });

  it('is never behind with the last text', () => {
    let nowMs = 0;
    const container = document.createElement('div');
    const stream = new MarkdownStream(container, () => (nowMs += 10));
    const long = 'Some text, *long*. '.repeat(200);
    stream.update(long, false);
    stream.update(`${long}*More*`, false);
    expect(stream.update(`${long}*More*, *finished*`, true)).toBe(true);
    expect(container.textContent).toContain('finished');
  });
});
