import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

/** A theme owes a contrast to its text colours, not to those of charts, backgrounds and borders: Dark Modern's orange is a third opaque. */
const notForText = /(?<![-\w])color:\s*var\(--vscode-(?:charts|minimap|diffEditor|editorOverviewRuler)-[\w-]+/g;

describe('the colours of text', () => {
  it('are colours that themes make for text', () => {
    const sources = readdirSync('webview', { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    expect(sources.length).toBeGreaterThan(50);
    expect(sources.flatMap((name) => (readFileSync(join('webview', name), 'utf8').match(notForText) ?? []).map((found) => `${name}: ${found}`))).toEqual([]);
  });
});
