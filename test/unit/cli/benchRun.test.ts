import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseReport } from '../../../src/bench/report/parseReport';
import { cpuDevice } from '../../../src/common/deviceId';
import { GlmError } from '../../../src/common/errors';
import { fakeDescription, fakeLoadedModel } from '../../fakes/fakeEngine';
import { runFakeCli, type FakeCliOptions } from '../../fakes/fakeCli';

const folder = mkdtempSync(join(tmpdir(), 'glm-bench-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const monitor: FakeCliOptions['monitor'] = {
  'devices-probe': () => [{ id: cpuDevice, kind: 'cpu', name: 'CPU', source: 'os', notes: [] }],
  'telemetry-watch': () => ({}),
  'telemetry-read': () => ({ timeMs: Date.now(), devices: [] }),
};
const handlers: FakeCliOptions['handlers'] = { 'model-load': () => ({ ...fakeLoadedModel, description: { ...fakeDescription, vocabSize: 512, eosTokenIds: [500] } }) };
const args = (out: string): readonly string[] => ['bench', 'standard', '--model', '/m', '--prompt-tokens', '8', '--new-tokens', '5', '--repetitions', '6', '--warmup', '2', '--out', out];

describe('glm bench run', () => {
  it('keeps what was measured on Ctrl-C, and says by the exit code that it is not all', async () => {
    let press: () => void = () => undefined;
    let tokens = 0;
    const out = join(folder, 'cut.json');
    // The sixth of eight runs.
    const run = await runFakeCli(args(out), { monitor, handlers, onStart: (pressCtrlC) => (press = pressCtrlC), behaviour: { onToken: () => ++tokens === 5 * 5 + 2 && press() } });
    expect(run.code).toBe(130);
    const report = parseReport(out, readFileSync(out, 'utf8'));
    expect(report.cases).toMatchObject([{ endedBy: 'cancelled', rules: { repetitions: 6 } }]);
    expect(report.cases[0]?.samples).toHaveLength(3);
    expect(run.stdout).toContain('ended early: cancelled; the 3 runs until then are kept');
  });

  it('ends with 0 after the whole of it', async () => {
    const out = join(folder, 'whole.json');
    const run = await runFakeCli(args(out), { monitor, handlers });
    expect(run.code).toBe(0);
    expect(parseReport(out, readFileSync(out, 'utf8')).cases[0]?.samples).toHaveLength(6);
  });

  it('ends with 1 and the reason when an engine of others could not be measured, and keeps the report', async () => {
    const closed = createServer();
    const port = await new Promise<number>((resolve) => closed.listen(0, '127.0.0.1', () => resolve((closed.address() as AddressInfo).port)));
    await new Promise((resolve) => closed.close(resolve));
    const out = join(folder, 'others.json');
    const run = await runFakeCli(['bench', 'others', ...args(out).slice(2), '--server', `http://127.0.0.1:${port}`], { monitor, handlers });
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`error: http://127.0.0.1:${port} could not be measured: `);
    expect(parseReport(out, readFileSync(out, 'utf8')).cases).toMatchObject([{ engine: 'glm-local' }]);
  });

  it('repeats short runs unless a number is asked for, be it the usual one', async () => {
    const counts = async (...more: readonly string[]): Promise<object | undefined> => {
      const run = await runFakeCli(['bench', '--model', '/m', '--prompt-tokens', '8', '--new-tokens', '5', '--json', ...more], { monitor, handlers });
      return parseReport('stdout', run.stdout).cases[0]?.rules;
    };
    expect(await counts('--repetitions', '5')).toMatchObject({ warmupRuns: 1, repetitions: 5 });
    expect(await counts()).toMatchObject({ repetitions: 40 });
  });

  it('allocates as much more as is asked for, and refuses less than the cases take', async () => {
    const loaded = async (...more: readonly string[]) => {
      const run = await runFakeCli(['bench', ...more, '--model', '/m', '--repetitions', '1', '--warmup', '0'], { monitor, handlers });
      return { code: run.code, stderr: run.stderr, load: run.requests.find(({ method }) => method === 'model-load')?.params };
    };
    expect((await loaded('standard', '--prompt-tokens', '8', '--new-tokens', '5', '--context', '64', '--max-batch', '2')).load).toMatchObject({ contextTokens: 64, maxBatch: 2 });
    expect((await loaded('standard', '--prompt-tokens', '8', '--new-tokens', '5')).load).toMatchObject({ contextTokens: 14, maxBatch: 1 });
    expect(await loaded('standard', '--prompt-tokens', '8', '--new-tokens', '5', '--context', '13')).toMatchObject({ code: 2, load: undefined, stderr: expect.stringContaining('--context 13 is less than the 14') as string });
    expect(await loaded('concurrency', '--max-batch', '3')).toMatchObject({ code: 2, load: undefined, stderr: expect.stringContaining('--max-batch 3 is less than the 8') as string });
  });

  it.each([
    ['chat-vs-base', ['--base', '/missing'], 'missing could not be measured: There is no such folder.'],
    ['precision', ['--formats', 'f32', '--formats', 'int4'], 'int4 could not be measured: int4 does not fit.'],
  ])('ends with 1 when one of the loads of %s failed, and keeps the others', async (scenario, more, reason) => {
    const failing: FakeCliOptions['handlers'] = {
      'model-load': ({ source, weights }) => {
        if (source === '/missing' || weights === 'int4') {
          throw new GlmError('failed', source === '/missing' ? 'There is no such folder.' : 'int4 does not fit.');
        }
        return { ...fakeLoadedModel, description: { ...fakeDescription, vocabSize: 512, eosTokenIds: [500] } };
      },
    };
    const out = join(folder, `${scenario}.json`);
    const run = await runFakeCli(['bench', scenario, ...args(out).slice(2), ...more], { monitor, handlers: failing });
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`error: ${reason}`);
    expect(parseReport(out, readFileSync(out, 'utf8'))).toMatchObject({ cases: [{ engine: 'glm-local', rules: { promptTokens: 8, newTokens: 5 } }], notes: expect.arrayContaining([expect.stringContaining(reason)]) as unknown });
  });

  it('ends with 1 when nothing fits the context of the model', async () => {
    const run = await runFakeCli(['bench', '--model', '/m', '--prompt-tokens', '999999'], { monitor, handlers });
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('error: Nothing was measured.\nerror: "prompt 999999, 128 new" was left out');
  });

  it('tells two checkpoints apart whose folders have one name', async () => {
    const out = join(folder, 'names.json');
    for (const [base, names] of [['/b/m', ['a/m, prompt 8, 5 new', 'b/m, prompt 8, 5 new']], ['/a/m/', ['m, prompt 8, 5 new', 'm (again), prompt 8, 5 new']]] as const) {
      await runFakeCli(['bench', 'chat-vs-base', ...args(out).slice(2), '--model', '/a/m', '--base', base], { monitor, handlers });
      expect(parseReport(out, readFileSync(out, 'utf8')).cases.map(({ name }) => name)).toEqual(names);
    }
  });

  it.each([
    ['lengths of a sweep over lengths', ['context', '--prompt-tokens', '8'], '--prompt-tokens has no meaning for the scenario context'],
    ['a second checkpoint without a comparison', ['standard', '--base', '/b'], '--base has no meaning for the scenario standard; it belongs to chat-vs-base.'],
    ['formats elsewhere', ['standard', '--formats', 'int4'], '--formats has no meaning'],
    ['a format that is none', ['precision', '--formats', 'int3'], 'There are f32, bf16, f16, int8, int4.'],
    ['a server without an address', ['others', '--server', 'localhost:8000'], 'Expected an address such as http://'],
    ['a variant that is none', ['others', '--variants', 'fast'], 'There are eager and compiled.'],
    ['a place that is not there', ['standard', '--out', join(folder, 'nowhere/r.json')], `--out: ${join(folder, 'nowhere/r.json')} can't be written: there is no folder`],
    ['a folder as the file', ['standard', '--csv', folder], `--csv: ${folder} can't be written: it is a folder`],
  ])('refuses %s before anything is loaded', async (_what, more, message) => {
    const run = await runFakeCli(['bench', ...more, '--model', '/m'], { monitor, handlers });
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(message);
    expect(run.requests).toEqual([]);
  });

  it('prints what was measured when the file can no longer be written, and leaves an earlier report alone', async () => {
    const place = mkdtempSync(join(folder, 'gone-'));
    const out = join(place, 'r.json');
    const run = await runFakeCli([...args(out), '--json'], { monitor, handlers, behaviour: { onToken: () => rmSync(place, { recursive: true, force: true }) } });
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(`error: ${out} can't be written: there is no folder`);
    expect(parseReport('stdout', run.stdout).cases[0]?.samples).toHaveLength(6);
    const kept = join(folder, 'kept.json');
    writeFileSync(kept, 'earlier');
    await runFakeCli([...args(kept).slice(0, 3), '/m', '--prompt-tokens', '999999', '--out', kept], { monitor, handlers: { 'model-load': () => Promise.reject(new GlmError('failed', 'No.')) } });
    expect(readFileSync(kept, 'utf8')).toBe('earlier');
  });
});
