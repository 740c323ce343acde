import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder } from '../../../../../src/engine/worker/packing/makeFolder';
import { temporaryFolder } from '../../../../fakes/checkpoints';

describe('makeFolder', () => {
  it('makes a folder with those above it, and leaves one that is there', () => {
    const { path, remove } = temporaryFolder();
    makeFolder(join(path, 'a', 'b', 'c'));
    makeFolder(join(path, 'a', 'b', 'c'));
    expect(existsSync(join(path, 'a', 'b', 'c'))).toBe(true);
    remove();
  });

  it('fails where a file is in the way', () => {
    const { path, remove } = temporaryFolder();
    writeFileSync(join(path, 'file'), '');
    expect(() => makeFolder(join(path, 'file', 'a'))).toThrow(/ENOTDIR/);
    remove();
  });

  it.runIf(process.platform === 'linux')('fails, and returns, where the system lets nobody make folders', () => {
    expect(() => makeFolder('/proc/nowhere/packed')).toThrow(/ENOENT/);
  });
});
