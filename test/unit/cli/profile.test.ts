import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cpuDevice } from '../../../src/common/deviceId';
import { GlmError } from '../../../src/common/errors';
import type { Profile } from '../../../src/common/profile';
import { describeProfile } from '../../../src/cli/profile/profileText';
import { parseProfile } from '../../../src/profiling/parseProfile';
import type { ChromeTrace } from '../../../src/profiling/chromeTrace';
import { fakeDescription, fakeLoadedModel } from '../../fakes/fakeEngine';
import { runFakeCli, type FakeCliOptions } from '../../fakes/fakeCli';
import { fakeOperatorProfile, fakeProfile } from '../../fakes/fakeProfile';
import { profileSchemaErrors } from '../../fakes/publishedSchemas';

const folder = mkdtempSync(join(tmpdir(), 'glm-profile-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string): string => join(folder, name);

const sample = { timeMs: 1_790_000_000_000, devices: [{ id: cpuDevice, usedBytes: 5000, totalBytes: 10_000 }] };
const monitor: FakeCliOptions['monitor'] = {
  'devices-probe': () => [{ id: cpuDevice, kind: 'cpu', name: 'CPU', source: 'os', notes: [] }],
  'telemetry-watch': () => ({}),
  'telemetry-read': () => sample,
};
const loaded = { ...fakeLoadedModel, description: { ...fakeDescription, vocabSize: 512, eosTokenIds: [500] } };
const profileCli = (args: readonly string[], options: FakeCliOptions = {}) => runFakeCli(['profile', ...args], { monitor, ...options, handlers: { 'model-load': () => loaded, ...options.handlers } });

describe('glm profile', () => {
  it('records phases, cost, bandwidth, operators and placement, and writes what it read', async () => {
    const run = await profileCli(['--model', '/m', '--prompt-tokens', '20', '--new-tokens', '4', '--operator-steps', '3', '--out', file('p.json'), '--chrome-trace', file('t.json')]);
    expect(run.stderr).toBe('');
    expect([run.code, run.engineEnded]).toEqual([0, true]);
    for (const heading of ['Phases of one request: 20 prompt tokens', 'Operators of a prefill step', 'Operators of a decode step', 'Placement', 'Memory forecast', 'Cost of profiling: TPOT 2.00 ms without, 2.00 ms with']) {
      expect(run.stdout).toContain(heading);
    }
    const profile = parseProfile(readFileSync(file('p.json'), 'utf8'));
    expect(profileSchemaErrors(profile)).toEqual([]);
    expect(profile.generations.map(({ promptTokens, generatedTokens }) => [promptTokens, generatedTokens])).toEqual([[20, 4]]);
    expect(profile.operators.map(({ kind, steps }) => [kind, steps.length])).toEqual([['prefill', 1], ['decode', 3]]);
    expect(profile).toMatchObject({ model: { weights: 'int4' }, telemetry: [sample, sample], bandwidth: [{ device: 'cpu' }], cost: { plainTpotMs: 2 } });
    expect((JSON.parse(readFileSync(file('t.json'), 'utf8')) as ChromeTrace).traceEvents.length).toBeGreaterThan(20);
    // Only counted requests are asked for phases, and each is forgotten.
    const generations = run.requests.filter(({ method }) => method === 'generate').map(({ params }) => (params as { profile: boolean }).profile);
    expect(generations.filter(Boolean)).toHaveLength(6);
    expect(generations.filter((asked) => !asked)).toHaveLength(6);
    expect(run.requests.filter(({ method }) => method === 'conversation-forget')).toHaveLength(generations.length);
  });

  it('prints the same of a saved profile, which needs no model', async () => {
    const profile = fakeProfile();
    writeFileSync(file('saved.json'), JSON.stringify(profile));
    const run = await profileCli(['--open', file('saved.json')]);
    expect(run).toMatchObject({ code: 0, stderr: '', requests: [] });
    expect(run.stdout).toBe(`${describeProfile(JSON.parse(JSON.stringify(profile)) as Profile)}\n`);
    const json = await profileCli(['--open', file('saved.json'), '--json', '--chrome-trace', file('saved-trace.json')]);
    expect(JSON.parse(json.stdout)).toEqual(JSON.parse(JSON.stringify(profile)));
    expect(readFileSync(file('saved-trace.json'), 'utf8')).toContain('"process_name"');
  });

  it('refuses what is no profile, and wrong combinations', async () => {
    writeFileSync(file('report.json'), '{"schema": "glm-local.bench/1"}');
    const wrong = await profileCli(['--open', file('report.json'), '--json']);
    expect(wrong.code).toBe(1);
    expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: 'profile-format', message: expect.stringContaining('glm-local.bench/1') as string } });
    expect((await profileCli(['--open', file('nowhere.json')])).stderr).toContain("can't be used");
    expect(await profileCli([])).toMatchObject({ code: 2, stderr: expect.stringContaining('--open') as string });
    expect((await profileCli(['--open', file('report.json'), '--model', '/m'])).code).toBe(2);
  });

  it.each(['--out', '--chrome-trace'])('refuses a place for %s that is not there before it measures', async (option) => {
    const unwritable = await profileCli(['--model', '/m', option, join(folder, 'no', 'such', 'p.json')]);
    expect(unwritable).toMatchObject({ code: 2, requests: [], stderr: expect.stringContaining(`${option}: `) as string });
    expect((await profileCli(['--model', '/m', option, folder])).stderr).toContain('it is a folder');
  });

  it('keeps what was measured when it is interrupted', async () => {
    let press = (): void => undefined;
    const run = await profileCli(['--model', '/m', '--new-tokens', '5', '--out', file('cut.json')], {
      onStart: (pressCtrlC) => (press = pressCtrlC),
      handlers: {
        'memory-bandwidth': () => {
          press();
          throw new GlmError('cancelled', 'It was cancelled.');
        },
      },
    });
    expect([run.code, run.engineEnded]).toEqual([130, true]);
    const profile = parseProfile(readFileSync(file('cut.json'), 'utf8'));
    expect(profile).toMatchObject({ generations: [expect.anything()], operators: [], bandwidth: [], cost: { plainTpotMs: 2 } });
    expect(profile.placement?.parts.length).toBeGreaterThan(0);
    expect(run.stdout).toContain('Phases of one request');
  });

  it('goes on without operators where the runtime has none to tell', async () => {
    const run = await profileCli(['--model', '/m'], {
      handlers: {
        'profile-operators': () => {
          throw new GlmError('operators-unsupported', 'No profile of a run here.');
        },
      },
    });
    expect([run.code, run.stderr.trim()]).toEqual([0, 'note: No profile of a run here.']);
    expect(run.stdout).not.toContain('Operators of');
  });
});

describe('the text of a profile', () => {
  it('says whose time it is and what was not measured', () => {
    const decode = fakeOperatorProfile('decode', 1, 16, 3);
    const text = describeProfile(fakeProfile({ bandwidth: [], cost: undefined, operators: [{ ...decode, nodes: decode.nodes.map(({ bytes: _bytes, flops: _flops, ...node }) => node) }] }));
    expect(text).toContain('Operators of a decode step (one token at 16 positions, 3 steps): host time');
    expect(text).toMatch(/MatMulNBits +5 +180 µs +95\.2 % +n\/a +n\/a/);
    expect(text).not.toContain('Cost of profiling');
  });

  it('puts the layers of a stage on one line', () => {
    expect(describeProfile(fakeProfile())).toMatch(/layers 0 to 1 +cpu +600 B +31\.3 KiB +n\/a/);
  });
});
