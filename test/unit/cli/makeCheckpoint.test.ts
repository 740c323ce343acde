import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runFakeCli } from '../../fakes/fakeCli';

const folder = mkdtempSync(join(tmpdir(), 'glm-make-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('glm make-checkpoint', () => {
  it('makes a folder and says what it made', async () => {
    const out = join(folder, 'tiny');
    const run = await runFakeCli(['make-checkpoint', '--shape', 'tiny', '--architecture', 'glm', '--dtype', 'f16', '--out', out, '--threads', '1', '--json']);
    expect(run.code).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ folder: out, numShards: 1, parameterCount: 804_864 });
    expect(existsSync(join(out, 'model.safetensors'))).toBe(true);
    const again = await runFakeCli(['make-checkpoint', '--shape', 'tiny', '--out', out, '--json']);
    expect(again.code).toBe(1);
    expect(JSON.parse(again.stdout)).toMatchObject({ error: { code: 'folder-not-empty' } });
  });

  it.each([[['--shape', 'huge', '--out', 'x']], [['--shape', 'tiny']], [['--shape', 'tiny', '--out', 'x', '--seed', '-1']], [['--shape', 'tiny', '--out', 'x', '--dtype', 'f32']]])('refuses %j as wrong usage', async (args) => {
    expect((await runFakeCli(['make-checkpoint', ...args])).code).toBe(2);
  });
});
