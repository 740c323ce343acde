/** Answers what the report's panel asks. Talks to the editor through one interface, so that it is tested without it. */

import { toCsv, toJson, toMarkdown } from '../../bench/report/writers';
import { GlmError } from '../../common/errors';
import type { ReportView, ReportViewContract } from '../../common/protocol/reportView';
import type { RpcHandlers } from '../../common/protocol/rpc';
import type { ReportStore, StoredReport } from './reportStore';
import { compareWithBaseline, toReportView } from './reportView';

/** What the handlers need of the editor. */
export interface ReportActions {
  copyText(text: string): Promise<void>;
  /** Asks where to and writes; undefined when the user chose no file, otherwise the file's name. */
  saveFile(suggestedName: string, kind: { readonly label: string; readonly extension: string }, content: Uint8Array): Promise<string | undefined>;
  runCommand(command: string): Promise<void>;
}

/** Which report is shown; shared by the panel and its handlers. */
export interface ShownReport {
  current: StoredReport;
  baselineIndex: number;
}

const pngSignature = [0x89, 0x50, 0x4e, 0x47];

export function createReportHandlers(shown: ShownReport, store: Pick<ReportStore, 'list' | 'read'>, actions: ReportActions): RpcHandlers<ReportViewContract> {
  const view = async (): Promise<ReportView> => toReportView(shown.current, await store.list(), shown.baselineIndex);
  return {
    'view-ready': view,
    'report-open': async ({ id }) => {
      const report = await store.read(id);
      if (report === undefined) {
        throw new GlmError('bench-report-gone', 'That report is no longer in the history. Choose another one with "GLM: Open Benchmark Report".');
      }
      shown.current = { id, report };
      shown.baselineIndex = 0;
      return view();
    },
    'baseline-choose': ({ caseIndex }) => {
      if (shown.current.report.cases[caseIndex] === undefined) {
        throw new GlmError('bench-no-such-case', `The report has ${shown.current.report.cases.length} cases, and number ${caseIndex + 1} was asked for. Reload the report.`);
      }
      shown.baselineIndex = caseIndex;
      return { baselineIndex: caseIndex, comparisons: compareWithBaseline(shown.current.report, caseIndex) };
    },
    'report-copy': async () => {
      await actions.copyText(toMarkdown(shown.current.report));
      return {};
    },
    'report-export': async ({ format, pngBase64 }) => {
      const { report, id } = shown.current;
      switch (format) {
        case 'json':
          return { fileName: await actions.saveFile(`${id}.json`, { label: 'Report with raw samples', extension: 'json' }, textBytes(toJson(report))) };
        case 'csv':
          return { fileName: await actions.saveFile(`${id}.csv`, { label: 'Table', extension: 'csv' }, textBytes(toCsv(report))) };
        case 'png': {
          const png = Buffer.from(pngBase64 ?? '', 'base64');
          if (!pngSignature.every((byte, index) => png[index] === byte)) {
            throw new GlmError('bench-no-picture', 'The view sent no picture. Reload the report and export it again.');
          }
          return { fileName: await actions.saveFile(`${id}.png`, { label: 'Picture', extension: 'png' }, png) };
        }
        default:
          return format satisfies never;
      }
    },
    'history-show': async () => {
      await actions.runCommand('glm.openBenchmarkReport');
      return {};
    },
    'benchmark-run': async () => {
      await actions.runCommand('glm.runBenchmark');
      return {};
    },
  };
}

const textBytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
