import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import packageJson from '../../../package.json';
import { terminalSteps } from '../../../src/common/errors';

const source = join(import.meta.dirname, '../../../src');
const texts = readdirSync(source, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => ({ name, text: readFileSync(join(source, name), 'utf8') }));
const settings = new Set(packageJson.contributes.configuration.flatMap((group) => Object.keys(group.properties)));

/** What a pattern's first group finds, with the file it stands in. */
function findAll(pattern: RegExp): string[] {
  return texts.flatMap(({ name, text }) => [...text.matchAll(pattern)].map((match) => `${match[1]} in ${name}`));
}

describe('terminalSteps', () => {
  it('keeps what a person can do at a terminal, in its own words', () => {
    expect(
      terminalSteps([
        { label: 'Start a new chat', command: 'glm.newChat' },
        { label: 'Longer context …', command: 'glm.openSettings', args: ['glm.contextLength'], terminal: 'Load with a larger --context' },
        { label: 'Free memory' },
        { label: 'Update the driver', url: 'https://example.org' },
      ]),
    ).toEqual([{ label: 'Load with a larger --context' }, { label: 'Free memory' }, { label: 'Update the driver', url: 'https://example.org' }]);
  });
});

describe('what messages and next steps name', () => {
  it('settings that exist', () => {
    const named = [...findAll(/setting (glm\.[a-zA-Z]+(?:\.[a-zA-Z]+)*)/g), ...findAll(/args: \['(glm\.[a-zA-Z.]+)'\]/g)];
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter((entry) => !settings.has(entry.split(' ')[0] ?? ''))).toEqual([]);
  });

  it('in labels that fit on a button of a narrow view', () => {
    const labels = findAll(/label: '([^'\n]+)', command:/g);
    expect(labels.length).toBeGreaterThan(15);
    expect(labels.filter((entry) => entry.replace(/ in [^ ]+$/, '').length > 36)).toEqual([]);
  });

  it('commands that are registered', () => {
    const registered = new Set(findAll(/registerCommand\((?:[a-z.]+, )?'(glm\.[a-zA-Z.]+)'/gi).map((entry) => entry.split(' ')[0]));
    const named = findAll(/\bcommand: '(glm\.[a-zA-Z.]+)'/g);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((entry) => !registered.has(entry.split(' ')[0]))).toEqual([]);
  });
});
