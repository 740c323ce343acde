/** Where a request's time went, phase by phase. */

import type { GenerationProfile, PhaseKind } from '../common/profile';

export interface PhaseRow {
  readonly kind: PhaseKind;
  readonly count: number;
  readonly totalMs: number;
  /** Of the whole request; copies lie within steps, so theirs is counted there as well. */
  readonly share: number;
  readonly meanMs: number;
  readonly longestMs: number;
  readonly tokens?: number;
  readonly bytes?: number;
}

export interface PhaseTable {
  readonly totalMs: number;
  /** What the phases add up to, copies apart, over the whole. */
  readonly covered: number;
  /** In the order of a request; phases that did not occur are left out. */
  readonly rows: readonly PhaseRow[];
}

const order: readonly PhaseKind[] = ['queue', 'tokenize', 'prefill', 'decode', 'copy', 'sample', 'detokenize'];

export function phaseTable({ spans, totalMs }: Pick<GenerationProfile, 'spans' | 'totalMs'>): PhaseTable {
  const rows = order.flatMap((kind): PhaseRow[] => {
    const mine = spans.filter((span) => span.kind === kind);
    const sumOf = (of: 'tokens' | 'bytes'): number | undefined => (mine.some((span) => span[of] !== undefined) ? mine.reduce((sum, span) => sum + (span[of] ?? 0), 0) : undefined);
    const spentMs = mine.reduce((sum, { durationMs }) => sum + durationMs, 0);
    const [tokens, bytes] = [sumOf('tokens'), sumOf('bytes')];
    return mine.length === 0
      ? []
      : [
          {
            kind,
            count: mine.length,
            totalMs: spentMs,
            share: totalMs > 0 ? spentMs / totalMs : 0,
            meanMs: spentMs / mine.length,
            longestMs: mine.reduce((most, { durationMs }) => Math.max(most, durationMs), 0),
            ...(tokens === undefined ? {} : { tokens }),
            ...(bytes === undefined ? {} : { bytes }),
          },
        ];
  });
  const coveredMs = rows.reduce((sum, row) => sum + (row.kind === 'copy' ? 0 : row.totalMs), 0);
  return { totalMs, covered: totalMs > 0 ? coveredMs / totalMs : 1, rows };
}
