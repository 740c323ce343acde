/** Opens the built report view in a browser, over the host's own view of a report. */

import type { Page } from 'playwright-core';
import type { BenchmarkReport } from '../../../src/bench/report/schema';
import { compareWithBaseline, toReportView } from '../../../src/extension/benchmark/reportView';
import { usePanelBrowser, type PanelOptions } from './openPanel';

export interface ReportOptions extends Omit<PanelOptions, 'setup'> {
  readonly report: BenchmarkReport;
  readonly history?: readonly BenchmarkReport[];
}

/** Call once at the top of a test file. */
export function useReportBrowser(): (options: ReportOptions) => Promise<Page> {
  const open = usePanelBrowser('webview/report/main.ts', 'test/webview/support/reportPage.ts');
  return async ({ report, history = [], ...look }) => {
    const stored = [report, ...history].map((each, index) => ({ id: `report-${index}`, report: each }));
    const page = await open({
      ...look,
      setup: { report: toReportView({ id: 'report-0', report }, stored), comparisons: report.cases.map((_, index) => compareWithBaseline(report, index)) },
    });
    await page.locator('[data-test=table]').waitFor();
    await page.locator('glm-plot canvas').first().waitFor();
    return page;
  };
}
