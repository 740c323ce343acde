import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { measureTransformers as measure } from '../../../src/bench/others/transformersPeer';
import { parsePeerLine } from '../../../src/bench/others/peerEvents';
import type { OtherRun, TransformersEngine } from '../../../src/bench/others/otherEngine';
import { hashPromptIds } from '../../../src/bench/prompt';
import { brokenRules } from '../../../src/bench/comparability';
import { benchmarkReport } from '../../fakes/benchmarkReport';
import { reportSchemaErrors } from '../../fakes/publishedSchemas';
import { writeStandInPython, type StandInManner } from '../../fakes/standInPython';

/** Whatever a test is about, the cases have to be ones of the published schema. */
const measureTransformers: typeof measure = async (...args) => {
  const outcome = await measure(...args);
  expect(reportSchemaErrors(benchmarkReport({ cases: outcome.cases }))).toEqual([]);
  return outcome;
};

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'glm-stand-in-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const engine = (manner: StandInManner, changes: Partial<TransformersEngine> = {}): TransformersEngine => ({
  kind: 'transformers',
  python: writeStandInPython(folder, manner),
  source: '/models/glm',
  dtype: 'f32',
  variants: ['eager', 'compiled'],
  warmupLimitMs: 60_000,
  ...changes,
});

function runOf(changes: Partial<OtherRun> = {}): OtherRun & { readonly runs: () => number; readonly pids: number[] } {
  let runs = 0;
  const pids: number[] = [];
  return {
    cases: [{ name: 'short', promptTokens: 3, newTokens: 4, concurrency: 1, promptIds: [5, 6, 7], promptText: undefined }],
    settings: { warmupRuns: 1, repetitions: 5 },
    onLoading: () => undefined,
    onMeasuring: () => undefined,
    onRun: () => void (runs += 1),
    onProcess: (pid) => pids.push(pid),
    runs: () => runs,
    pids,
    ...changes,
  };
}

// The stand-in is made executable by a first line, which Windows does not read.
describe.skipIf(process.platform === 'win32')('measureTransformers', () => {
  it('makes a case of each variant, by the rules of our own', async () => {
    const run = runOf();
    const { cases, notes } = await measureTransformers(engine('good'), run);
    expect(notes).toEqual([]);
    expect(cases.map((each) => each.name)).toEqual(['transformers (eager), short', 'transformers (compiled), short']);
    const [eager, compiled] = cases;
    expect(eager?.samples).toHaveLength(5);
    expect(eager?.rules).toMatchObject({ promptHash: hashPromptIds([5, 6, 7]), newTokens: 4, sampling: 'greedy', warmupRuns: 1, repetitions: 5 });
    expect(eager?.summaries.ttftMs?.median).toBe(3);
    expect(eager?.summaries.tpotMs?.median).toBe(10);
    expect(eager?.samples[0]?.itlMs).toEqual([10, 10, 10]);
    expect(compiled?.summaries.decodeTokensPerSecond?.median).toBe(500);
    expect(compiled?.rules.warmupRuns).toBe(3);
    expect(compiled?.setup?.join(' ')).toContain('2 s and is not counted');
    expect(run.runs()).toBe(6 + 8);
    expect(run.pids).toHaveLength(1);
    expect(eager !== undefined && compiled !== undefined ? brokenRules(eager, compiled) : ['missing']).toEqual([]);
  });

  it('says what is missing when torch is, or the interpreter', async () => {
    expect((await measureTransformers(engine('no-torch'), runOf())).notes.join(' ')).toContain("No module named 'torch'");
    const nothing = await measureTransformers(engine('good', { python: join(folder, 'no-such-python') }), runOf());
    expect(nothing.cases).toEqual([]);
    expect(nothing.notes.join(' ')).toMatch(/no-such-python" was not found/);
  });

  it('keeps the eager figures when compiling fails or takes too long', async () => {
    const failed = await measureTransformers(engine('compile-fails'), runOf());
    expect(failed.cases).toHaveLength(1);
    expect(failed.notes.join(' ')).toContain('BackendCompilerFailed');
    const hung = await measureTransformers(engine('compile-hangs', { warmupLimitMs: 300 }), runOf());
    expect(hung.cases.map((each) => each.engine)).toEqual(['transformers 5.17.0 (eager)']);
    expect(hung.notes.join(' ')).toMatch(/did not finish compiling and warming up within 0 s and was ended\./);
    const first = await measureTransformers(engine('compile-hangs', { warmupLimitMs: 300, variants: ['compiled', 'eager'] }), runOf());
    expect(first.notes.join(' ')).toMatch(/was ended, so eager was not measured either\./);
  });

  it('keeps the runs before a crash, with the reason', async () => {
    const { cases, notes } = await measureTransformers(engine('crashes'), runOf());
    expect(cases[0]?.samples).toHaveLength(2);
    expect(cases[0]?.endedBy).toBe('the script ended');
    expect(notes.join(' ')).toContain('CUDA error: device lost');
  });

  it('names a run that stopped early as a broken rule', async () => {
    const [eager] = (await measureTransformers(engine('stops-early'), runOf())).cases;
    expect(eager?.brokenRules).toEqual([{ rule: 'early-stop', explanation: 'a run generated 3 tokens' }]);
  });

  it('ends the process and keeps what was measured when it is cancelled', async () => {
    const controller = new AbortController();
    const run = runOf({ signal: controller.signal, onMeasuring: (label) => void (label.includes('compiled') && controller.abort()) });
    const { cases } = await measureTransformers(engine('compile-hangs'), run);
    expect(cases).toHaveLength(1);
    expect(() => process.kill(run.pids[0] ?? 0, 0)).toThrow();
  });

  it('fails as cancelled when nothing was measured, and leaves no folder behind', async () => {
    const controller = new AbortController();
    controller.abort();
    // A temporary folder of its own: in the common one, other runs of the tests come and go.
    const temporary = mkdtempSync(join(folder, 'tmp-'));
    vi.stubEnv('TMPDIR', temporary);
    const run = runOf({ signal: controller.signal });
    await expect(measureTransformers(engine('compile-hangs', { variants: ['compiled'], warmupLimitMs: 500 }), run)).rejects.toMatchObject({ code: 'cancelled' });
    vi.unstubAllEnvs();
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe('parsePeerLine', () => {
  it('takes only whole events of the right form', () => {
    expect(parsePeerLine('@glm-local {"event":"end"}')).toEqual({ event: 'end' });
    for (const line of ['{"event":"end"}', '@glm-local {"event":"end"', '@glm-local 3', '@glm-local {"event":"__proto__"}', '@glm-local {"event":"warming","variant":3,"warmupRuns":1}', '@glm-local {"event":"run","variant":"eager"}']) {
      expect(parsePeerLine(line), line).toBeUndefined();
    }
  });
});
