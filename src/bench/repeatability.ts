/** A sentence per case that moved against the last report of the same scenario on the same machine, with what explains it. Pure. */

import { compareReports } from './report/compareReports';
import type { BenchmarkReport } from './report/schema';

/** Empty when every median stayed within 3 %, or nothing compares. */
export function repeatabilityNotes(previous: BenchmarkReport, current: BenchmarkReport): readonly string[] {
  return compareReports(previous, current).flatMap(({ name, changes, reasons }) => {
    const decode = changes.find((change) => change.metric === 'decodeTokensPerSecond');
    if (reasons === undefined || decode === undefined) {
      return [];
    }
    const moved = changes.filter(({ interval }) => Math.abs(interval.ratio - 1) >= 0.03).map(({ metric, interval }) => `${metric} ${interval.ratio < 1 ? '' : '+'}${((interval.ratio - 1) * 100).toFixed(0)} %`);
    const why = reasons.length === 0 ? 'nothing in the two reports explains it' : reasons.join('; ');
    return [`"${name}" moved against the report of ${previous.startedAt}: ${moved.join(', ')}. ${why.charAt(0).toUpperCase()}${why.slice(1)}.`];
  });
}
