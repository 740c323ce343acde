/** The outcome of `glm bench compare` in words. Pure. */

import type { CaseComparison } from '../../bench/report/compareReports';

/** One block per case: its changes, or the rules that forbid comparing it. */
export function describeComparison(comparisons: readonly CaseComparison[]): string {
  return comparisons
    .map((comparison) => {
      if (comparison.broken.length > 0) {
        return [`${comparison.name}: not comparable`, ...comparison.broken.map((each) => `  ${each.rule}: ${each.explanation}`), ...unlikeLines(comparison.unlike)].join('\n');
      }
      const lines = comparison.changes.map(({ metric, before, after, interval, verdict, doubt }) => {
        const range = `${interval.low.toFixed(3)} to ${interval.high.toFixed(3)}`;
        return `  ${metric.padEnd(24)} ${before.toFixed(2).padStart(10)} → ${after.toFixed(2).padStart(10)}  × ${interval.ratio.toFixed(3)} (${interval.confidence * 100} %: ${range})  ${verdict}${doubt === undefined ? '' : `: ${doubt}`}`;
      });
      // Where a median moved, what is unlike stands among the reasons.
      return [comparison.name, ...lines, ...(comparison.reasons === undefined ? unlikeLines(comparison.unlike) : reasonLines(comparison.reasons))].join('\n');
    })
    .join('\n\n');
}

function unlikeLines(unlike: readonly string[]): readonly string[] {
  return unlike.map((each) => `  unlike ${each}`);
}

function reasonLines(reasons: CaseComparison['reasons']): readonly string[] {
  if (reasons === undefined) {
    return [];
  }
  return reasons.length === 0 ? ['  A median moved by 3 % or more, and nothing in the two reports explains it: measure both again.'] : ['  A median moved by 3 % or more. What was unlike, or weakens a side:', ...reasons.map((reason) => `    ${reason}`)];
}
