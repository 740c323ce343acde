/**
 * Measuring in a real VS Code with the packaged extension: the profiler beside an answer that streams, a profiled generation, its files; then a benchmark from the
 * palette with its form, its report, its files, and one that is cancelled. Steps build on each other.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BenchmarkReport } from '../../src/bench/report/schema';
import type { OperatorProfile } from '../../src/common/profile';
import type { ChromeTrace } from '../../src/profiling/chromeTrace';
import { parseProfile } from '../../src/profiling/parseProfile';
import { fakeOperatorProfile, fakeProfile } from '../fakes/fakeProfile';
import { Session, textsIn } from './support/session';

let session: Session;
const poll = { timeout: 60_000, interval: 100 };
const inProfiler = async (mark: string): Promise<Locator> => (await session.frameWith('glm-profiler')).locator(`[data-test="${mark}"]`);
const inReport = async (mark: string): Promise<Locator> => (await session.frameWith('glm-report')).locator(`[data-test="${mark}"]`);
const textOf = async (locator: Locator): Promise<string> => (await textsIn(locator)).join('\n');
const fileText = (name: string): string => readFileSync(join(session.workspace, name), 'utf8');

beforeAll(async () => {
  session = await Session.start('measure', { viewport: { width: 1248, height: 900 }, settings: { 'glm.telemetryIntervalMs': 200, 'glm.minNewTokens': 500, 'glm.maxNewTokens': 500, 'workbench.activityBar.location': 'default' } });
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    await session.saveEvidence(`failed-measure-${task.name.replaceAll(/[^a-z0-9]+/gi, '-')}`);
  }
});

afterAll(async () => {
  await session.close();
});

/** With GLM_LOOKS set: pictures in three themes and two widths, to look at. The page lies in an editor beside nothing else. */
async function photograph(name: string): Promise<void> {
  if (process.env.GLM_LOOKS === undefined) {
    return;
  }
  mkdirSync('test/e2e/out', { recursive: true });
  await session.page.keyboard.press('Control+B');
  for (const [label, theme] of [
    ['dark', 'Default Dark Modern'],
    ['light', 'Default Light Modern'],
    ['contrast', 'Default High Contrast'],
  ] as const) {
    await session.page.setViewportSize({ width: 1248, height: 900 });
    await session.chooseTheme(theme);
    for (const width of [300, 1200]) {
      await session.page.setViewportSize({ width: 48 + width, height: width === 300 ? 2400 : 2000 });
      await session.page.waitForTimeout(900);
      await session.page.screenshot({ path: `test/e2e/out/${name}-${label}-${width}.png` });
    }
  }
  await session.page.setViewportSize({ width: 1248, height: 900 });
  await session.page.keyboard.press('Control+B');
}

describe('the profiler in VS Code', () => {
  it('opens while an answer streams, and its curves grow', { timeout: 240_000 }, async () => {
    await session.openChat();
    await expect.poll(async () => textOf(await session.inChat('model-facts')), poll).toMatch(/CPU/);
    await session.ask('What does device_map do?');
    await expect.poll(async () => (await textsIn(await session.inChat('answer-text'))).at(-1)?.length ?? 0, poll).toBeGreaterThan(10);
    await session.palette.run('GLM: Open Profiler');
    await expect.poll(async () => textOf(await inProfiler('subject')), poll).toMatch(/glm-local-demo-chat, live/);
    const timeline = await inProfiler('timeline');
    await timeline.focus();
    await session.page.keyboard.press('ArrowLeft');
    const readings = new Set<string>();
    await expect
      .poll(async () => {
        // To the newest moment, which is a later one only when readings have come; the line itself stays where it is in time.
        await session.page.keyboard.press('ArrowRight');
        readings.add(await textOf(await inProfiler('readout')));
        return readings.size > 2 && [...readings].some((text) => /cpu memory: weights [\d.]+ MiB, KV cache [\d.]+ MiB/.test(text));
      }, poll)
      .toBe(true);
    await (await session.inChat('send')).waitFor({ timeout: 60_000 });
  });

  it('shows the phases of the next answer, which cover it', async () => {
    await session.ask('And what is a KV cache?');
    await expect.poll(async () => textOf(await inProfiler('request')), poll).toMatch(/500 generated/);
    expect(Number(/phases cover ([\d.]+)/.exec(await textOf(await inProfiler('request')))?.[1])).toBeGreaterThanOrEqual(98);
    expect(await textOf(await inProfiler('phases'))).toMatch(/Prefill chunks.*Decode steps.*Sampling.*Detokenize/s);
  });

  it('profiles a generation from the palette, with operators, placement and forecast', async () => {
    await session.palette.run('GLM: Profile a Generation');
    await expect.poll(async () => textOf(await inProfiler('working')), poll).toMatch(/\w/);
    await expect.poll(async () => (await inProfiler('operators')).count(), poll).toBe(1);
    await expect.poll(async () => (await inProfiler('working')).count(), poll).toBe(0);
    expect(await (await inProfiler('clock')).innerText()).toMatch(/Host time\s*, extra uncaptured steps/);
    expect(await textOf(await inProfiler('cost'))).toMatch(/a token took .* without and .* with its phases timed/);
    await (await inProfiler('part')).nth(2).dispatchEvent('click');
    await expect.poll(async () => textOf(await inProfiler('nodes')), poll).toMatch(/CPUExecutionProvider/);
    expect(await textOf(await inProfiler('verdict'))).toMatch(/Fits/);
    await photograph('profiler');
  });

  it('saves the profile and a trace', async () => {
    await session.clickUntil(() => inProfiler('export-json'), () => session.page.locator('.quick-input-widget').isVisible());
    await session.palette.enter('GLM: Save', join(session.workspace, 'mine.glm-profile.json'));
    await expect.poll(async () => textOf(await inProfiler('done')), poll).toBe('Saved mine.glm-profile.json');
    const profile = parseProfile(fileText('mine.glm-profile.json'), 'mine');
    expect([profile.generations.length, profile.operators.length]).toEqual([2, 2]);
    await session.clickUntil(() => inProfiler('export-trace'), () => session.page.locator('.quick-input-widget').isVisible());
    await session.palette.enter('GLM: Save', join(session.workspace, 'mine.trace.json'));
    await expect.poll(async () => textOf(await inProfiler('done')), poll).toBe('Saved mine.trace.json');
    const { traceEvents } = JSON.parse(fileText('mine.trace.json')) as ChromeTrace;
    expect(traceEvents.filter(({ name }) => name === 'process_name').map(({ args }) => args?.name)).toEqual(['Requests', 'Device cpu']);
    expect(traceEvents.filter(({ cat }) => cat === 'operator').length).toBeGreaterThan(500);
  });

  it('opens a large saved profile, and goes back to the live one', async () => {
    const nodes = 600;
    const steps = 2000;
    const small = fakeOperatorProfile('decode', 1, 16, 1);
    const large: OperatorProfile = {
      ...small,
      nodes: Array.from({ length: nodes }, (_, index) => ({ ...small.nodes[index % small.nodes.length]!, name: `/layers.${Math.floor(index / 15)}/op${index}`, layer: Math.floor(index / 15) })),
      steps: Array.from({ length: steps }, (_, step) => ({ startMs: step * 6.1, durationMs: 6 })),
      startsUs: Array.from({ length: nodes * steps }, (_, index) => Math.floor(index / nodes) * 6100 + (index % nodes) * 10.123),
      durationsUs: Array.from({ length: nodes * steps }, (_, index) => 9 + ((index * 7919) % 100) / 100),
    };
    writeFileSync(join(session.workspace, 'large.json'), JSON.stringify(fakeProfile({ operators: [large] })));
    await session.palette.run('GLM: Open Saved Profile');
    await session.palette.enter('GLM: Open Profile', join(session.workspace, 'large.json'));
    const startedMs = performance.now();
    const frame = await session.frameWith('glm-profiler');
    await frame.locator('h1', { hasText: 'large.json' }).waitFor({ timeout: 30_000 });
    await frame.locator('[data-test=operators]').waitFor();
    process.stdout.write(`A profile of ${steps} steps × ${nodes} operators was shown ${Math.round(performance.now() - startedMs)} ms after it was chosen\n`);
    expect(await textOf(await inProfiler('subject'))).toMatch(/recorded/);
    await session.clickUntil(() => inProfiler('live'), async () => /live/.test(await textOf(await inProfiler('subject'))));
  });
});

/** Of all reports that are open. */
async function reportTexts(): Promise<string> {
  const texts = await Promise.all(session.page.frames().map((frame) => textsIn(frame.locator('glm-report')).catch(() => [])));
  return texts.flat().join('\n');
}

/** Fills the form of a benchmark of one short case, and starts it. */
async function startBenchmark(runs: number): Promise<void> {
  await session.palette.run('GLM: Run Benchmark');
  await session.palette.pick('Standard');
  await session.palette.pick('Lengths');
  await session.palette.enter('Tokens of the prompt', '48, 16');
  await session.palette.pick(/Runs per case: /);
  await session.palette.enter('Counted runs', String(runs));
  await session.palette.pick('prompt 48, 16 new');
  await session.palette.enter('Tokens of the prompt', '64, 16');
  await session.palette.pick(`${runs} counted runs`);
}

describe('benchmarks in VS Code', () => {
  it('run from the palette with a changed form, and show their report', async () => {
    await startBenchmark(5);
    const dialog = session.page.locator('.monaco-dialog-box');
    await dialog.waitFor({ timeout: 60_000 });
    expect(await dialog.innerText()).toMatch(/glm-local-demo-chat is loaded for the chat/);
    await dialog.getByRole('button', { name: 'Unload It First' }).click();
    await expect.poll(() => session.page.locator('.notifications-toasts').innerText().catch(() => ''), poll).toMatch(/run \d+ of \d+|loading/);
    const frame = await session.frameWith('glm-report', 60_000);
    await expect.poll(async () => (await textsIn(frame.locator('glm-report'))).join(' '), poll).toMatch(/prompt 64, 16 new.*exactly 16 tokens; stop tokens are ignored/s);
    await photograph('report');
  });

  it('export the report', async () => {
    for (const [mark, file] of [
      ['export-json', 'r.json'],
      ['export-csv', 'r.csv'],
      ['export-png', 'r.png'],
    ] as const) {
      await session.clickUntil(() => inReport(mark), () => session.page.locator('.quick-input-widget').isVisible());
      await session.palette.enter('GLM: Save', join(session.workspace, file));
      await expect.poll(async () => textOf(await inReport('done')), poll).toBe(`Saved ${file}`);
    }
    const report = JSON.parse(fileText('r.json')) as BenchmarkReport;
    expect(report.cases.map(({ name }) => name)).toEqual(['prompt 64, 16 new']);
    expect(fileText('r.csv').split('\n')[0]).toMatch(/case/);
    expect(readFileSync(join(session.workspace, 'r.png')).subarray(1, 4).toString()).toBe('PNG');
  });

  it('open a report from a file, and say what is wrong with another', async () => {
    const other = { ...(JSON.parse(fileText('r.json')) as BenchmarkReport), scenario: 'context' };
    writeFileSync(join(session.workspace, 'other.json'), JSON.stringify(other));
    writeFileSync(join(session.workspace, 'cut.json'), JSON.stringify(other).slice(0, 2000));
    for (const file of ['cut.json', 'other.json']) {
      await session.palette.run('GLM: Open Benchmark Report');
      await session.palette.pick('Open a report file');
      await session.palette.enter('GLM: Open Report', join(session.workspace, file));
      if (file === 'cut.json') {
        await expect.poll(() => session.page.locator('.notifications-toasts').innerText().catch(() => ''), poll).toMatch(/cut\.json is not a benchmark report .*cut off after 2,000 characters/s);
        await session.palette.run('Notifications: Clear All Notifications');
      }
    }
    await expect.poll(reportTexts, poll).toMatch(/Context length: glm-local-demo-chat/);
  });

  it('keep what was measured when they are cancelled', async () => {
    await startBenchmark(900);
    // The first is the warm-up, and the one that is named is still under way.
    await session.cancelProgress('GLM benchmark', /run ([3-9]|\d{2,}) of/);
    await expect.poll(reportTexts, poll).toMatch(/cancelled/i);
  });

  it('break no content policy and throw no error in their pages', () => {
    expect(session.violations).toEqual([]);
    expect(session.pageErrors).toEqual([]);
  });
});
