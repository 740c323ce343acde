import { describe, expect, it } from 'vitest';
import { closeMarks } from '../../../../../webview/chat/markdown/closeMarks';

describe('closeMarks', () => {
  it.each([
    ['Some **bold', 'Some **bold**'],
    ['Some **bold text ', 'Some **bold text**'],
    ['Some **bold*', 'Some **bold**'],
    ['- *italic', '- *italic*'],
    ['A **bold with *both', 'A **bold with *both***'],
    ['***all three', '***all three***'],
    ['Call `gene', 'Call `gene`'],
    ['Call ``a ` b', 'Call ``a ` b``'],
    ['**`code`', '**`code`**'],
    ['**see `code', '**see `code`**'],
    ['First **line\nand *second', 'First **line\nand *second*'],
    ['| a | **b', '| a | **b**'],
    ['call `f[i](x', 'call `f[i](x`'],
  ])('closes what is open: %j', (text, shown) => {
    expect(closeMarks(text)).toBe(shown);
  });

  it.each([['then **', 'then'], ['then `', 'then'], ['then *', 'then'], ['`then` *', '`then`']])('hides a sign that has just begun: %j', (text, shown) => {
    expect(closeMarks(text)).toBe(shown);
  });

  it.each([
    ['See [the docs](https://exa', 'See the docs'],
    ['See [the docs](', 'See the docs'],
    ['See [a](https://x.org) and [b](https://y', 'See [a](https://x.org) and b'],
    ['**[the docs](https://exa', '**the docs**'],
    ['[`code`](https://exa', '`code`'],
    ['![A plot](https://exa', 'A plot'],
    ['[f](https://x.org/f(x', 'f'],
    ['[a](https://x.org "A ti', 'a'],
    ['- [x](http', '- x'],
  ])('shows a link by its text until its address has ended: %j', (text, shown) => {
    expect(closeMarks(text)).toBe(shown);
  });

  it.each(['Plain text', '**bold** and *italic* and `code`', '5*x + 3', 'a * b * c', '- ', '* ', '- *', '* * *', '* item', '***', '---', '\\*no', '```py', '```\na = **b', '- x\n\n  ```js\n  f(**a', '    **indented', '`a * b`', '**bold**\n', '', '[a](https://x.org)', '`[a](b`', '\\[a](b', 'x[1](2) + y[3]', 'f [x] (y', '```\n[a](b'])('leaves the rest alone: %j', (text) => {
    expect(closeMarks(text)).toBe(text);
  });
});
