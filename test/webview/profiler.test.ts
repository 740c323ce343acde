import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import type { ProfilerState } from '../../src/common/protocol/profilerView';
import { parseProfile } from '../../src/profiling/parseProfile';
import { summarizeProfile } from '../../src/profiling/summarizeProfile';
import { themeNames } from '../../tools/screenshots/webviewPage.mjs';
import { fakeGenerationProfile, fakeProfile } from '../fakes/fakeProfile';
import { panelRequests, usePanelBrowser, wideElements } from './support/openPanel';
import { twoGpuProfile } from './support/twoGpuProfile';

const openPanel = usePanelBrowser('webview/profiler/main.ts', 'test/webview/support/profilerPage.ts');
const ready = { state: 'ready', name: 'glm-local-demo-chat' } as const;
const live = (changes: Partial<ProfilerState> = {}): ProfilerState => ({ source: { kind: 'live' }, model: ready, profile: summarizeProfile(fakeProfile()), ...changes });
const twoGpus = (): ProfilerState => ({ source: { kind: 'saved', name: 'two.glm-profile.json' }, model: ready, profile: summarizeProfile(twoGpuProfile()) });

async function open(state: ProfilerState, look: { readonly theme?: string; readonly width?: number; readonly height?: number } = {}): Promise<Page> {
  const page = await openPanel({ setup: { state }, ...look });
  await page.locator('[data-test=timeline]').waitFor();
  return page;
}

/** The colours that are on the canvas, so that an empty one does not pass for a drawn one. */
const coloursOf = (page: Page): Promise<number> =>
  page.locator('[data-test=timeline]').evaluate((canvas: HTMLCanvasElement) => new Set(new Uint32Array(canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size);

describe('the profiler', () => {
  it('leads on where nothing is loaded and where nothing was recorded', async () => {
    const none = await open(live({ model: { state: 'none' }, profile: summarizeProfile(fakeProfile({ generations: [], operators: [], placement: undefined, forecast: undefined })) }));
    await none.locator('[data-test=load]').click();
    await expect.poll(() => panelRequests(none, 'model-load')).toEqual([{}]);
    const quiet = await open(live({ profile: summarizeProfile(fakeProfile({ generations: [] })) }));
    await quiet.locator('[data-test=chat]').click();
    await expect.poll(() => panelRequests(quiet, 'chat-show')).toEqual([{}]);
  });

  it('draws curves and phases, and says in words what is at one moment', async () => {
    const page = await open(twoGpus());
    await expect.poll(() => coloursOf(page)).toBeGreaterThan(5);
    await page.locator('[data-test=last]').click();
    await page.locator('[data-test=timeline]').focus();
    for (let i = 0; i < 20; i += 1) {
      await page.keyboard.press('ArrowRight');
    }
    const readout = page.locator('[data-test=readout]');
    await expect.poll(() => readout.innerText()).toMatch(/cuda:0 memory: weights 8\.9 GiB, KV cache 1\.2 GiB/);
    expect(await readout.innerText()).toMatch(/Decode steps: 5\.4 ms, 1 token/);
    expect(await readout.innerText()).toMatch(/cuda:1 power: \d+ W/);
  });

  it('zooms and pans by keys, wheel and buttons', async () => {
    const page = await open(twoGpus());
    const span = (): Promise<string> => page.evaluate(() => (document.querySelector('glm-profiler') as unknown as { timelineElement: { shownSpan: string } }).timelineElement.shownSpan);
    const before = await span();
    await page.locator('[data-test=zoom-in]').click();
    await expect.poll(span).not.toBe(before);
    await page.locator('[data-test=timeline]').focus();
    await page.keyboard.press('-');
    await expect.poll(span).toBe(before);
    await page.locator('[data-test=timeline]').hover();
    await page.keyboard.down('Control');
    await page.mouse.wheel(0, -400);
    await page.keyboard.up('Control');
    await expect.poll(span).not.toBe(before);
    await page.keyboard.press('a');
    await expect.poll(span).toBe(before);
  });

  it('takes readings and answers as they come, and keeps still while paused', async () => {
    const page = await open(live({ profile: summarizeProfile(fakeProfile({ generations: [] })) }));
    const generation = fakeGenerationProfile('g2', 20, 7);
    await page.evaluate((value) => window.profilerHost.emit('generation', { generation: value, hints: [] }), generation);
    await expect.poll(() => page.locator('[data-test=request]').innerText()).toContain('20 prompt tokens');
    expect(await page.locator('[data-test=phases] tbody tr').count()).toBeGreaterThan(3);
    await page.locator('[data-test=pause]').click();
    await expect.poll(() => page.locator('[data-test=pause]').innerText()).toBe('Resume');
    await page.evaluate(() => window.profilerHost.emit('working', { text: 'Generating: 3 of 128 tokens' }));
    await expect.poll(() => page.locator('[data-test=working]').innerText()).toContain('3 of 128');
    expect(await page.locator('[data-test=measure]').getAttribute('disabled')).not.toBeNull();
  });

  it('begins anew with another profile: its own time, nothing paused or chosen', async () => {
    const page = await open(live());
    const shown = (): Promise<{ readonly startMs: number; readonly endMs: number }> =>
      page.evaluate(() => (document.querySelector('glm-profiler') as unknown as { timelineElement: { currentWindow(): { startMs: number; endMs: number } } }).timelineElement.currentWindow());
    await page.locator('[data-test=pause]').click();
    await page.getByRole('button', { name: /^layer 0:/ }).click();
    await page.locator('[data-test=batch]').fill('64');
    const dayMs = 86_400_000;
    const old = twoGpuProfile();
    const daysAgo = { ...old, startedAtMs: old.startedAtMs - dayMs, telemetry: old.telemetry.map((sample) => ({ ...sample, timeMs: sample.timeMs - dayMs })), engineMemory: old.engineMemory.map((reading) => ({ ...reading, timeMs: reading.timeMs - dayMs })), generations: old.generations.map((generation) => ({ ...generation, submittedAtMs: generation.submittedAtMs - dayMs })) };
    const saved = (name: string, profile: typeof old): ProfilerState => ({ source: { kind: 'saved', name }, model: ready, profile: summarizeProfile(profile) });
    const show = (state: ProfilerState): Promise<void> => page.evaluate((next) => window.profilerHost.emit('state', next), state);
    await show(saved('old.json', daysAgo));
    await expect.poll(() => page.locator('h1').innerText()).toBe('old.json');
    await expect.poll(async () => (await shown()).startMs <= daysAgo.generations[0]!.submittedAtMs && (await shown()).endMs < daysAgo.startedAtMs + dayMs / 2).toBe(true);
    await expect.poll(() => coloursOf(page)).toBeGreaterThan(5);
    expect(await page.locator('[data-test=nodes]').count()).toBe(0);
    expect(await page.locator('[data-test=batch]').inputValue()).not.toBe('64');
    // Nothing grows here, so that there is nothing to pause.
    await page.locator('[data-test=timeline]').focus();
    await page.keyboard.press(' ');
    await show(saved('new.json', old));
    await expect.poll(async () => (await shown()).endMs).toBeGreaterThan(daysAgo.startedAtMs + dayMs / 2);
    await page.locator('[data-test=live]').click();
    await expect.poll(() => page.locator('[data-test=pause]').innerText()).toBe('Pause');
  });

  it('keeps the chosen part and its nodes when the same model is measured anew', async () => {
    const page = await open(live());
    const layer = page.getByRole('button', { name: /^layer 0:/ });
    await layer.click();
    await expect.poll(() => page.locator('[data-test=nodes]').count()).toBe(1);
    await page.evaluate((next) => window.profilerHost.emit('state', next), live());
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
    expect(await layer.getAttribute('aria-pressed')).toBe('true');
    expect(await page.locator('[data-test=nodes]').count()).toBe(1);
    await layer.click();
    await expect.poll(() => page.locator('[data-test=nodes]').count()).toBe(0);
  });

  it('names the clock of operator times, groups them, and suggests', async () => {
    const page = await open(twoGpus());
    expect(await page.locator('[data-test=clock]').innerText()).toMatch(/Device time, extra uncaptured steps/);
    expect(await page.locator('[data-test=operators] tbody th').first().innerText()).toBe('MatMul');
    await page.locator('[data-test=grouping]').selectOption('byLayer');
    await expect.poll(() => page.locator('[data-test=operators] tbody th').first().innerText()).toBe('layer 0');
    expect(await page.locator('[data-test=hints]').innerText()).toMatch(/bound by memory/);
  });

  it('shows the nodes of a chosen layer with their provider, and the copy between stages', async () => {
    const page = await open(twoGpus());
    expect(await page.locator('[data-test=copy]').innerText()).toMatch(/cuda:0 to cuda:1, directly from device to device: 16\.0 KiB a token, 0\.02 ms/);
    await page.getByRole('button', { name: /^layer 21:/ }).click();
    await expect.poll(() => page.locator('[data-test=nodes] tbody tr').count()).toBe(4);
    expect(await page.locator('[data-test=nodes]').innerText()).toMatch(/\/layers\.21\/mlp\/gate_up\s+MatMul\s+CUDAExecutionProvider/);
  });

  it('says where a context stops fitting', async () => {
    const page = await open(twoGpus());
    expect(await page.locator('[data-test=verdict]').innerText()).toMatch(/^.?\s*Fits\./);
    await page.locator('[data-test=batch]').fill('64');
    await page.locator('[data-test=context]').focus();
    await page.keyboard.press('End');
    await expect.poll(() => page.locator('[data-test=verdict]').innerText()).toMatch(/Does not fit on cuda:0/);
  });

  it('exports both formats, says so, and goes back from a saved profile to the live one', async () => {
    const page = await open(twoGpus());
    await page.locator('[data-test=export-json]').click();
    await expect.poll(() => page.locator('[data-test=done]').innerText()).toBe('Saved profile.json');
    await page.locator('[data-test=export-trace]').click();
    await expect.poll(() => page.locator('[data-test=done]').innerText()).toBe('Saved profile.trace');
    await page.locator('[data-test=live]').click();
    await expect.poll(() => page.locator('h1').innerText()).toBe('Profiler');
  });

  it.each(themeNames.flatMap((theme) => [300, 1200].map((width) => [theme, width] as const)))('fits the %s theme at %i pixels', async (theme, width) => {
    const page = await open(twoGpus(), { theme, width, height: 1000 });
    expect(await wideElements(page, '.scroller')).toEqual([]);
    const folder = process.env.GLM_SCREENSHOTS;
    if (folder !== undefined) {
      mkdirSync(folder, { recursive: true });
      await page.getByRole('button', { name: /^layer 21:/ }).click();
      const height = await page.locator('main').evaluate((main) => main.scrollHeight);
      await page.setViewportSize({ width, height: Math.ceil(height) + 20 });
      await page.screenshot({ path: join(folder, `profiler-${theme}-${width}.png`) });
    }
  });

  const real = process.env.GLM_PROFILE;
  it.skipIf(real === undefined)('shows a profile of this machine', async () => {
    const page = await open({ source: { kind: 'saved', name: 'real' }, model: ready, profile: summarizeProfile(parseProfile(readFileSync(real ?? '', 'utf8'), 'real')) });
    await page.locator('[data-test=last]').click();
    const height = await page.locator('main').evaluate((main) => main.scrollHeight);
    await page.setViewportSize({ width: 1200, height: Math.ceil(height) + 20 });
    await page.waitForTimeout(200);
    await page.screenshot({ path: join(process.env.GLM_SCREENSHOTS ?? '.', 'profiler-real.png') });
  });
});
