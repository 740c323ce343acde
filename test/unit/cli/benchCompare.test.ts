import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { summarizeSamples } from '../../../src/bench/runSamples';
import type { BenchmarkCase, BenchmarkReport, RunSample } from '../../../src/bench/report/schema';
import { benchmarkReport } from '../../fakes/benchmarkReport';
import { runFakeCli } from '../../fakes/fakeCli';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'glm-compare-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A report of one case that ran at these decode speeds. */
function fileOf(name: string, speeds: readonly number[]): string {
  const [, base] = benchmarkReport().cases as readonly [BenchmarkCase, BenchmarkCase];
  const samples = speeds.map((speed): RunSample => ({ ...base.samples[0]!, decodeTokensPerSecond: speed, tpotMs: 1000 / speed }));
  const report: BenchmarkReport = benchmarkReport({ cases: [{ ...base, samples, summaries: summarizeSamples(samples), rules: { ...base.rules, repetitions: speeds.length } }] });
  const path = join(folder, name);
  writeFileSync(path, JSON.stringify(report));
  return path;
}

const steady = [200, 202, 198, 201, 199];
const scattered = [200, 120, 280, 160, 240];

describe('glm bench compare', () => {
  it.each([
    ['nothing moved', steady, steady, [], 0, 'No figure got worse.'],
    ['it got faster', steady, steady.map((speed) => speed * 1.2), [], 0, 'better'],
    ['it got slower', steady, steady.map((speed) => speed * 0.9), [], 1, 'A figure got worse.'],
    ['it got slower by less than is tolerated', steady, steady.map((speed) => speed * 0.9), ['--tolerance', '15'], 0, 'No figure got worse.'],
    ['both sides scatter', scattered, scattered.map((speed) => speed * 0.8), [], 3, 'undecided: unreliable, the runs scatter by 40 % before and 40 % after'],
    ['it got ten times slower, scatter or not', scattered, scattered.map((speed) => speed / 10), [], 1, 'worse'],
    ['there are three runs', [200, 200, 200], [100, 100, 100], [], 3, '3 runs, where at least 5 are needed'],
  ] as const)('when %s', async (_name, before, after, flags, code, text) => {
    const run = await runFakeCli(['bench', 'compare', fileOf('a.json', before), fileOf('b.json', after), ...flags]);
    expect(run.code).toBe(code);
    expect(run.stdout).toContain(text);
    expect(run.requests).toEqual([]);
  });

  it('reads one of the two from standard input, byte order mark or not, and names what is unlike', async () => {
    const before = fileOf('a.json', steady);
    const after = `\ufeff${readFileSync(before, 'utf8').replaceAll('"weights":"', '"weights":"x')}`;
    const run = await runFakeCli(['bench', 'compare', before, '-'], { stdin: after });
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/^ {2}unlike weights: (\w+) before, x\1 after$/m);
    expect(await runFakeCli(['bench', 'compare', '-', '-'], { stdin: after })).toMatchObject({ code: 2 });
  });

  it('exits with 2 and says why for what is no report, so that 1 stays a slower figure', async () => {
    const good = fileOf('a.json', steady);
    const bad = join(folder, 'newer.json');
    writeFileSync(bad, '{"schema":"glm-local-bench/2"}');
    for (const [args, reason] of [
      [[good, bad], 'newer GLM Local'],
      [[good, join(folder, 'nowhere.json')], 'no such file'],
      [[good, folder], 'it is a folder'],
      [[good, good, '--tolerance', 'much'], 'from 0 to 100'],
    ] as const) {
      const run = await runFakeCli(['bench', 'compare', ...args]);
      expect([run.code, run.stdout]).toEqual([2, '']);
      expect(run.stderr).toContain(reason);
    }
  });
});
