/** "GLM: Open Benchmark Report": one of this machine's, or a file from anywhere. */

import { basename } from 'node:path';
import * as vscode from 'vscode';
import { readReportFile } from '../../bench/report/readReportFile';
import { GlmError, isGlmError } from '../../common/errors';
import type { ReportStore, StoredReport } from './reportStore';
import { modelNames, scenarioTitle } from './reportView';

interface ReportItem extends vscode.QuickPickItem {
  /** Absent for the entry that asks for a file. */
  readonly stored?: StoredReport;
}

/** Undefined when the user left. @throws {GlmError} for a file that is no report. */
export async function chooseReport(store: Pick<ReportStore, 'list'>): Promise<StoredReport | undefined> {
  const reports = await store.list();
  const fromFile: ReportItem = { label: '$(folder-opened) Open a report file…' };
  if (reports.length === 0) {
    const [run, open] = ['Run Benchmark', 'Open a Report File…'];
    const answer = await vscode.window.showInformationMessage('No benchmark has been run on this machine yet.', run, open);
    if (answer === run) {
      await vscode.commands.executeCommand('glm.runBenchmark');
    }
    return answer === open ? chooseFile() : undefined;
  }
  const chosen = await vscode.window.showQuickPick([...reports.map(toItem), fromFile], { title: 'GLM: Open Benchmark Report', placeHolder: 'Newest first', matchOnDescription: true, matchOnDetail: true });
  return chosen === fromFile ? chooseFile() : chosen?.stored;
}

function toItem(stored: StoredReport): ReportItem {
  const { report } = stored;
  const speeds = report.cases.flatMap((each) => each.summaries.decodeTokensPerSecond?.median ?? []);
  const best = speeds.length === 0 ? '' : `, up to ${Math.max(...speeds).toFixed(1)} tok/s`;
  return {
    label: `${scenarioTitle(report.scenario)}: ${modelNames(report)}`,
    description: new Date(report.startedAt).toLocaleString(),
    detail: `${report.cases.length} ${report.cases.length === 1 ? 'case' : 'cases'}${best}`,
    stored,
  };
}

async function chooseFile(): Promise<StoredReport | undefined> {
  const [file] = (await vscode.window.showOpenDialog({ title: 'GLM: Open Report', filters: { Report: ['json'] }, canSelectMany: false })) ?? [];
  return file === undefined ? undefined : readReport(file.fsPath);
}

/** It is shown and not taken into the history, which holds what was measured here. @throws {GlmError} */
export async function readReport(path: string): Promise<StoredReport> {
  try {
    return { id: basename(path).replace(/\.json$/i, ''), report: await readReportFile(path) };
  } catch (error) {
    if (isGlmError(error)) {
      throw error;
    }
    throw new GlmError('bench-report-unreadable', `${basename(path)} could not be read: ${error instanceof Error ? error.message : String(error)} Check that it exists and that you may read it.`, { cause: error });
  }
}
