import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { codePoints } from '../../../../webview/common/codicons';

describe('codePoints', () => {
  it('agree with the installed icon font', () => {
    const sheet = readFileSync('node_modules/@vscode/codicons/dist/codicon.css', 'utf8');
    for (const [name, codePoint] of Object.entries(codePoints)) {
      expect(sheet, name).toContain(`.codicon-${name}:before { content: "\\${codePoint.toString(16)}" }`);
    }
  });
});
