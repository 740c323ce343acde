/** Entry of the script that stands in for the editor around a benchmark report. */

import type { CaseAgainstBaseline, ReportView, ReportViewContract } from '../../../src/common/protocol/reportView';
import { RpcServer } from '../../../src/common/protocol/rpc';
import { standInForEditor, type PanelTheme } from './panelPage';

interface ReportSetup {
  readonly report: ReportView;
  /** By the baseline's index. */
  readonly comparisons: readonly (readonly CaseAgainstBaseline[])[];
  readonly theme: PanelTheme;
}

const { report, comparisons, theme } = (window as unknown as { readonly panelSetup: ReportSetup }).panelSetup;
const send = standInForEditor(theme, (message) => server.receive(message));
const server = new RpcServer<ReportViewContract>(send, {
  'view-ready': () => report,
  'report-open': () => report,
  'baseline-choose': ({ caseIndex }) => ({ baselineIndex: caseIndex, comparisons: comparisons[caseIndex] ?? [] }),
  'report-copy': () => ({}),
  'report-export': ({ format }) => ({ fileName: `report.${format}` }),
  'history-show': () => ({}),
  'benchmark-run': () => ({}),
});
