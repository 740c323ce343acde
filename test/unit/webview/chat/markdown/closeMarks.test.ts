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
  ])('closes what is open: %j', (text, shown) => {
    expect(closeMarks(text)).toBe(shown);
  });

  it.each([['then **', 'then'], ['then `', 'then'], ['then *', 'then'], ['`then` *', '`then`']])('hides a sign that has just begun: %j', (text, shown) => {
    expect(closeMarks(text)).toBe(shown);
  });

  it.each(['Plain text', '**bold** and *italic* and `code`', '5*x + 3', 'a * b * c', '- ', '* ', '- *', '* * *', '* item', '***', '---', '\\*no', '```py', '```\na = **b', '- x\n\n  ```js\n  f(**a', '    **indented', '`a * b`', '**bold**\n', ''])('leaves the rest alone: %j', (text) => {
    expect(closeMarks(text)).toBe(text);
  });
});
