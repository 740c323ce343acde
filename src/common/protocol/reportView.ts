/**
 * The contract between the extension host and the benchmark report's panel. The host judges and formats; the view draws.
 *
 * Everything shown is in {@link ReportView}; the raw samples stay with the host, which writes the exports.
 */

export interface ReportColumn {
  readonly title: string;
  readonly isNumeric: boolean;
}

/** Per-run series that the view can plot. */
export type RunMetric = 'decodeTokensPerSecond' | 'prefillTokensPerSecond' | 'ttftMs' | 'tpotMs';

export interface ReportCaseView {
  readonly name: string;
  /** One text per column, as in the Markdown table. */
  readonly cells: readonly string[];
  readonly runs: Readonly<Record<RunMetric, readonly number[]>>;
  /** Times between neighbouring tokens of all runs. */
  readonly itlMs: readonly number[];
  readonly itlPercentiles?: { readonly p50: number; readonly p90: number; readonly p99: number };
  readonly peakMemory: readonly { readonly device: string; readonly bytes: number }[];
  /** What weakens the figures, one sentence each; an early end is among them. */
  readonly cautions: readonly string[];
  /** The rules the case was measured by, as label and value. */
  readonly rules: readonly { readonly label: string; readonly value: string }[];
}

/** One case held against the baseline. `text` says the same in a few words. */
export type CaseAgainstBaseline = { readonly text: string } & (
  | { readonly kind: 'baseline' }
  /** The rules that forbid the comparison, each with its reason. */
  | { readonly kind: 'not-comparable'; readonly broken: readonly { readonly rule: string; readonly explanation: string }[] }
  /** Median decode speed over the baseline's, with its confidence interval. */
  | { readonly kind: 'compared'; readonly ratio: number; readonly low: number; readonly high: number; readonly confidence: number; readonly isDifferent: boolean; readonly isUnreliable: boolean }
);

export interface TrendPoint {
  readonly reportId: string;
  readonly startedAtMs: number;
  readonly decodeTokensPerSecond: number;
  readonly isUnreliable: boolean;
}

/** Earlier and later runs of the same case with the same model on this machine, oldest first. */
export interface CaseTrend {
  readonly caseName: string;
  readonly points: readonly TrendPoint[];
  /** Reports that have the case but broke a rule, with the reason; they are not drawn. */
  readonly leftOut: readonly { readonly startedAtMs: number; readonly reason: string }[];
}

/** What one kind of misplaced tensor cost. */
export interface AlignmentCostView {
  readonly label: string;
  /** With its unit, or n/a. */
  readonly bytesPerToken: string;
  readonly alignedTokensPerSecond: number;
  readonly misalignedTokensPerSecond: number;
  readonly costMsPerToken: number;
  readonly isSignificant: boolean;
  readonly simulated?: boolean;
}

export interface ReportView {
  readonly id: string;
  readonly title: string;
  readonly startedAtMs: number;
  readonly elapsedMs: number;
  /** Machine, versions and devices, as label and value. */
  readonly facts: readonly { readonly label: string; readonly value: string }[];
  readonly columns: readonly ReportColumn[];
  readonly cases: readonly ReportCaseView[];
  readonly baselineIndex: number;
  /** One entry per case. */
  readonly comparisons: readonly CaseAgainstBaseline[];
  readonly trends: readonly CaseTrend[];
  readonly notes: readonly string[];
  /** Of the alignment scenario only. */
  readonly alignmentCosts?: readonly AlignmentCostView[];
}

export type ExportFormat = 'json' | 'csv' | 'png';

type Empty = Record<string, never>;

export type ReportViewContract = {
  requests: {
    'view-ready': { params: Empty; result: ReportView };
    /** Shows another report of the history. */
    'report-open': { params: { readonly id: string }; result: ReportView };
    'baseline-choose': { params: { readonly caseIndex: number }; result: Pick<ReportView, 'baselineIndex' | 'comparisons'> };
    'report-copy': { params: Empty; result: Empty };
    /** `pngBase64` is what the view drew; only with the format `png`. The result names the file, or nothing when the user chose none. */
    'report-export': { params: { readonly format: ExportFormat; readonly pngBase64?: string }; result: { readonly fileName?: string } };
    /** Lets the user choose a report of the history; the host then sends `report`. */
    'history-show': { params: Empty; result: Empty };
    /** Starts the command that measures. */
    'benchmark-run': { params: Empty; result: Empty };
  };
  events: {
    /** Replaces what is shown. */
    'report': ReportView;
  };
};
