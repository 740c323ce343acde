import { execFileSync, spawn } from 'node:child_process';
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assertWritable, tryWriteFile } from '../../../src/cli/outputFile';

let folder: string;
const at = (name: string): string => join(folder, name);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glm-output-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('tryWriteFile', () => {
  it('writes the pieces under the name, and leaves nothing else', () => {
    expect(tryWriteFile(at('a b.json'), ['one', 'two'])).toBeUndefined();
    expect(readFileSync(at('a b.json'), 'utf8')).toBe('onetwo');
    expect(readdirSync(folder)).toEqual(['a b.json']);
  });

  it.skipIf(process.platform === 'win32')('keeps the permissions of a file that it replaces', () => {
    writeFileSync(at('r.json'), 'earlier', { mode: 0o600 });
    expect(tryWriteFile(at('r.json'), ['new'])).toBeUndefined();
    expect(statSync(at('r.json')).mode & 0o777).toBe(0o600);
  });

  it('leaves what was there when it fails in the middle', () => {
    writeFileSync(at('r.json'), 'earlier');
    const failing = function* (): Iterable<string> {
      yield 'half';
      throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
    };
    expect(tryWriteFile(at('r.json'), failing())).toContain('the disk is full');
    expect(readFileSync(at('r.json'), 'utf8')).toBe('earlier');
    expect(readdirSync(folder)).toEqual(['r.json']);
  });

  it.skipIf(process.platform === 'win32').each(['there', 'not there yet'])('writes through a link to a file that is %s', (which) => {
    mkdirSync(at('real'));
    if (which === 'there') {
      writeFileSync(at('real/r.json'), 'earlier');
    }
    symlinkSync('real/r.json', at('link.json'));
    expect(() => assertWritable('--out', at('link.json'))).not.toThrow();
    expect(existsSync(at('real/r.json'))).toBe(which === 'there');
    expect(tryWriteFile(at('link.json'), ['new'])).toBeUndefined();
    expect(lstatSync(at('link.json')).isSymbolicLink()).toBe(true);
    expect(readFileSync(at('real/r.json'), 'utf8')).toBe('new');
    expect(readdirSync(folder).sort()).toEqual(['link.json', 'real']);
  });

  it.skipIf(process.platform === 'win32')('writes into a pipe, and into an open file of another program, as they are', () => {
    execFileSync('mkfifo', [at('pipe')]);
    // Nobody reads yet: to open it would wait for somebody.
    assertWritable('--out', at('pipe'));
    // The reader waits for the writer, and ends with it.
    spawn('cat', [at('pipe')], { stdio: 'ignore' });
    expect(tryWriteFile(at('pipe'), ['through'])).toBeUndefined();
    expect(statSync(at('pipe')).isFIFO()).toBe(true);
    expect(tryWriteFile('/dev/null', ['away'])).toBeUndefined();
    expect(statSync('/dev/null').isFile()).toBe(false);
  });
});

describe('assertWritable', () => {
  it('touches nothing that is there, and leaves nothing that was not', () => {
    writeFileSync(at('r.json'), 'earlier');
    assertWritable('--out', at('r.json'));
    assertWritable('--out', at('new.json'));
    assertWritable('--out', undefined);
    expect(readFileSync(at('r.json'), 'utf8')).toBe('earlier');
    expect(readdirSync(folder)).toEqual(['r.json']);
  });

  it.each([
    ['missing/r.json', 'there is no folder'],
    ['r.json/r.json', 'there is no folder'],
    ['.', 'it is a folder'],
  ])('refuses %s', (name, why) => {
    writeFileSync(at('r.json'), '');
    expect(() => assertWritable('--csv', at(name))).toThrow(new RegExp(`^--csv: .*can't be written: ${why}`));
  });
});
