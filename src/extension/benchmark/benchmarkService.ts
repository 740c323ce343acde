/** Measures from the editor: the same scenarios and rules as `glm bench`, in engine processes of their own, and keeps the report. Knows no 'vscode'. */

import { BenchmarkMonitor, type MonitorProcess } from '../../bench/benchmarkMonitor';
import { describeEnvironment } from '../../bench/environment';
import type { BenchmarkReport } from '../../bench/report/schema';
import { repeatabilityNotes } from '../../bench/repeatability';
import { runScenario, type BenchmarkEngine, type ScenarioProgress } from '../../bench/runScenario';
import type { Scenario, ScenarioSettings } from '../../bench/scenarios/scenario';
import { GlmError } from '../../common/errors';
import { machineKey, type ReportStore, type StoredReport } from './reportStore';

export interface BenchmarkServiceOptions {
  readonly startEngine: () => BenchmarkEngine;
  readonly startMonitor: () => MonitorProcess;
  readonly store: Pick<ReportStore, 'save' | 'list'>;
  readonly version: string;
  readonly nowMs: () => number;
}

/** The model of the chat, which stays loaded while something else is measured. */
export interface ModelBeside {
  readonly name: string;
  readonly devices: readonly string[];
}

export interface BenchmarkRun {
  readonly scenario: Scenario;
  readonly settings: ScenarioSettings;
  readonly beside?: ModelBeside;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ScenarioProgress) => void;
}

export class BenchmarkService {
  private isRunning = false;

  constructor(private readonly options: BenchmarkServiceOptions) {}

  /**
   * Measures and stores the report. A cancel keeps what was measured until then.
   *
   * @throws {GlmError} `bench-busy` while another one runs; `cancelled`, or the first failure, when nothing was measured.
   */
  async run({ scenario, settings, beside, signal, onProgress }: BenchmarkRun): Promise<StoredReport> {
    if (this.isRunning) {
      throw new GlmError('bench-busy', 'A benchmark is already running in this window, and two would measure each other. Wait for its end, or cancel it in its notification.');
    }
    this.isRunning = true;
    const { startMonitor, startEngine, store, version, nowMs } = this.options;
    try {
      const monitor = await BenchmarkMonitor.open(startMonitor(), nowMs);
      try {
        const measured = await runScenario(scenario, settings, {
          startEngine,
          environment: () => Promise.resolve(describeEnvironment(version, monitor.devices)),
          nowMs,
          telemetry: monitor.telemetry,
          onEngine: (pid) => monitor.addProcess(pid),
          signal,
          onProgress,
        });
        const report = beside === undefined ? measured : noteModelBeside(measured, beside);
        const previous = (await store.list()).find((stored) => stored.report.scenario === report.scenario && machineKey(stored.report.environment) === machineKey(report.environment));
        return await store.save(previous === undefined ? report : { ...report, notes: [...report.notes, ...repeatabilityNotes(previous.report, report)] });
      } finally {
        await monitor.close();
      }
    } finally {
      this.isRunning = false;
    }
  }
}

/** A model that sat on a measured device took memory there, and possibly time. */
export function noteModelBeside(report: BenchmarkReport, beside: ModelBeside): BenchmarkReport {
  return {
    ...report,
    cases: report.cases.map((each) => {
      const shared = each.devices.filter((device) => beside.devices.includes(device));
      return shared.length === 0 ? each : { ...each, cautions: [...each.cautions, `the chat's model ${beside.name} stayed loaded on ${[...new Set(shared)].join(', ')} meanwhile`] };
    }),
  };
}
