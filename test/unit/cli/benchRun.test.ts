import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { parseReport } from '../../../src/bench/report/parseReport';
import { cpuDevice } from '../../../src/common/deviceId';
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
});
