import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import { benchmarkReport } from '../fakes/benchmarkReport';
import { panelRequests as requests, wideElements as findWide } from './support/openPanel';
import { useReportBrowser } from './support/openReport';
import { themeNames } from '../../tools/screenshots/webviewPage.mjs';

const openReport = useReportBrowser();

const earlier = benchmarkReport({ startedAt: '2025-12-20T00:00:00Z' });
const wideElements = (page: Page): Promise<readonly string[]> => findWide(page, '.scroller, .figures, glm-alignment-costs');

describe('the benchmark report', () => {
  it('puts the verdict beside each case and names the rule that forbids a comparison', async () => {
    const page = await openReport({ report: benchmarkReport() });
    const verdicts = await page.locator('[data-test=verdict]').allInnerTexts();
    expect(verdicts[0]).toContain('baseline');
    expect(verdicts[1]).toContain('2.00 ×');
    expect(verdicts[2]).toContain('not comparable');
    expect(verdicts[2]).toContain('511 prompt tokens from its cache');
    // The verdict is the second column: in sight before the figures scroll.
    expect(await page.locator('[data-test=table] thead th').nth(1).innerText()).toContain('against the baseline');
  });

  it('judges against another case when one is chosen', async () => {
    const page = await openReport({ report: benchmarkReport() });
    await page.getByRole('button', { name: 'Use as baseline: GLM Local, prompt 512, 4 new' }).click();
    await expect.poll(() => page.locator('[data-test=verdict]').first().innerText()).toContain('0.50 ×');
    expect(await requests(page, 'baseline-choose')).toEqual([{ caseIndex: 1 }]);
  });

  it('copies and exports, and says so', async () => {
    const page = await openReport({ report: benchmarkReport() });
    await page.locator('[data-test=copy]').click();
    await expect.poll(() => page.locator('[data-test=done]').innerText()).toBe('Copied');
    for (const format of ['json', 'csv', 'png']) {
      await page.locator(`[data-test=export-${format}]`).click();
      await expect.poll(() => page.locator('[data-test=done]').innerText()).toBe(`Saved report.${format}`);
    }
    const exported = (await requests(page, 'report-export')) as { format: string; pngBase64?: string }[];
    expect(exported.map((each) => each.format)).toEqual(['json', 'csv', 'png']);
    const png = Buffer.from(exported[2]?.pngBase64 ?? '', 'base64');
    expect([...png.subarray(0, 4)]).toEqual([0x89, 0x50, 0x4e, 0x47]);
    // Width and height of the picture: it holds the table and the plots.
    expect(png.readUInt32BE(16)).toBeGreaterThan(600);
    expect(png.readUInt32BE(20)).toBeGreaterThan(600);
  });

  it('prints the rules of every case, what was before, and the machine', async () => {
    const page = await openReport({ report: benchmarkReport() });
    expect(await page.locator('[data-test=rules]').count()).toBe(3);
    const text = await page.locator('glm-report main').innerText();
    expect(text).toContain('nothing else used the devices.');
    expect(text).toContain('Copy limit');
  });

  it('draws what misplaced tensors cost as bars beside the figures', async () => {
    const cost = { kind: 'kv-cache-on-cpu', alignedTokensPerSecond: 100, misalignedTokensPerSecond: 60, isSignificant: true } as const;
    const alignment = [{ ...cost, label: 'KV cache on cpu', bytesPerToken: 4096, costMsPerToken: 8, simulated: true }, { ...cost, label: 'logits away from the sampler', costMsPerToken: 2 }, { ...cost, label: 'input_ids on cpu', costMsPerToken: 0.1, isSignificant: false }, { ...cost, label: 'one node on cpu', costMsPerToken: -9 }];
    const page = await openReport({ report: benchmarkReport({ scenario: 'alignment', alignment }) });
    // Before the figures of its twenty loads, which nobody reads first.
    expect(await page.locator('glm-report h2').first().innerText()).toBe('What misplaced tensors cost');
    const bars = page.locator('[data-test=alignment-costs] .bar');
    const widths = await bars.evaluateAll((elements) => elements.map((element) => element.getBoundingClientRect().width));
    expect(widths).toHaveLength(2);
    expect((widths[0] ?? NaN) / (widths[1] ?? NaN)).toBeCloseTo(4, 0);
    const rows = await page.locator('[data-test=alignment-costs] tbody tr').allInnerTexts();
    expect(rows.map((row) => row.replaceAll(/\s+/g, ' ').trim())).toEqual(['KV cache on cpu (simulated) 4.0 KiB 100.0 60.0 8.000', 'logits away from the sampler n/a 100.0 60.0 2.000', 'input_ids on cpu n/a 100.0 60.0 0.100 within the noise', 'one node on cpu n/a 100.0 60.0 -9.000 faster, so no cost']);
  });

  it('draws the history of this machine, one point per report', async () => {
    const page = await openReport({ report: benchmarkReport(), history: [earlier] });
    const figures = await page.locator('glm-plot').last().locator('tbody tr').allTextContents();
    expect(figures).toHaveLength(2);
    expect(figures[0]).toContain('2025');
  });

  it('remembers which report it shows, for a reload of the window', async () => {
    const page = await openReport({ report: benchmarkReport() });
    await expect.poll(() => page.evaluate(() => window.panelState)).toEqual({ id: 'report-0' });
  });

  it.each([300, 1200])('fits %i px in every theme', async (width) => {
    for (const theme of themeNames) {
      const page = await openReport({ report: benchmarkReport(), history: [earlier], theme, width, height: width === 300 ? 1400 : 1000 });
      expect(await wideElements(page), theme).toEqual([]);
      const folder = process.env.GLM_REPORT_PICTURES;
      if (folder !== undefined) {
        mkdirSync(folder, { recursive: true });
        await page.screenshot({ path: join(folder, `report-${theme}-${width}.png`) });
      }
    }
  });
});
