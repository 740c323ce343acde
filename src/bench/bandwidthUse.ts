/** How near a case came to the memory's limit. Pure. */

import type { DecodeRead, MeasuredBandwidth } from '../common/protocol/engine';
import type { BandwidthUse, BenchmarkCase } from './report/schema';

/**
 * Stages run one after the other, so their times add up. Undefined for several requests at once, which share one reading of the weights,
 * and where a device's bandwidth is not known.
 */
export function bandwidthUse({ rules, summaries }: Pick<BenchmarkCase, 'rules' | 'summaries'>, reads: readonly DecodeRead[], measured: readonly MeasuredBandwidth[]): BandwidthUse | undefined {
  const tpotMs = summaries.tpotMs?.median;
  const rates = new Map<string, number>(measured.map(({ device, bytesPerSecond }) => [device, bytesPerSecond]));
  if (tpotMs === undefined || rules.concurrency !== 1 || reads.length === 0 || reads.some((read) => !rates.has(read.device))) {
    return undefined;
  }
  const middlePosition = rules.promptTokens + rules.newTokens / 2;
  const bytesOf = (read: DecodeRead): number => read.weightBytes + read.kvBytesPerPosition * middlePosition;
  const limitTpotMs = reads.reduce((sum, read) => sum + (1000 * bytesOf(read)) / (rates.get(read.device) ?? Infinity), 0);
  return {
    copyBytesPerSecond: Object.fromEntries(reads.map((read) => [read.device, rates.get(read.device) ?? 0])),
    readBytesPerToken: reads.reduce((sum, read) => sum + bytesOf(read), 0),
    limitTpotMs,
    fractionOfLimit: limitTpotMs / tpotMs,
  };
}
