import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import { LoadedModels } from '../../../../src/engine/worker/loadedModels';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'glm-engines-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const engine = (pid: number, alive: readonly number[] = [1, 2, 3]): LoadedModels => new LoadedModels({ folder, pid, isAlive: (other) => alive.includes(other) });

describe('LoadedModels', () => {
  it('tells each engine what the others hold, until they let go of it', () => {
    const [first, second] = [engine(1), engine(2)];
    first.announce('GLM-4-9B', new Map([[deviceId('cuda', 0), 10], [deviceId('cuda', 1), 20]]));
    second.announce('GLM-Z1', new Map([[deviceId('cuda', 1), 30], [cpuDevice, 5]]));
    expect(first.others()).toEqual([{ name: 'GLM-Z1', devices: ['cuda:1'], bytes: { 'cuda:1': 30 } }]);
    expect(second.others()).toEqual([{ name: 'GLM-4-9B', devices: ['cuda:0', 'cuda:1'], bytes: { 'cuda:0': 10, 'cuda:1': 20 } }]);
    first.withdraw();
    first.withdraw();
    expect(second.others()).toEqual([]);
  });

  it('forgets engines that were killed, and does not mind what is no file of ours', () => {
    engine(3).announce('gone', new Map([[deviceId('cuda', 0), 1]]));
    writeFileSync(join(folder, '2.json'), '{"name": 5');
    writeFileSync(join(folder, 'readme'), '');
    expect(engine(1, [1, 2]).others()).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(['2.json', 'readme']);
  });

  it('says nothing of the CPU, and nothing where the folder is not there', () => {
    engine(1).announce('demo', new Map([[cpuDevice, 1]]));
    expect(readdirSync(folder)).toEqual([]);
    expect(new LoadedModels({ folder: join(folder, 'none') }).others()).toEqual([]);
  });
});
