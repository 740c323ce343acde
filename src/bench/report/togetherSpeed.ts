/** What several requests make together, which the speed of each does not tell: the gain of continuous batching. Pure. */

import { percentile } from '../statistics';
import type { BenchmarkCase } from './schema';

/**
 * Tokens of all requests of a round over the time from submitting them to the end of the last, reading the prompts included: the median over the rounds.
 * Undefined where the samples are not whole rounds.
 */
export function togetherTokensPerSecond({ samples, rules: { concurrency } }: Pick<BenchmarkCase, 'samples' | 'rules'>): number | undefined {
  if (samples.length === 0 || samples.length % concurrency !== 0) {
    return undefined;
  }
  const rounds = Array.from({ length: samples.length / concurrency }, (_, round) => samples.slice(round * concurrency, (round + 1) * concurrency));
  const speeds = rounds.map((round) => (1000 * round.reduce((sum, sample) => sum + sample.generatedTokens, 0)) / Math.max(...round.map((sample) => sample.totalMs)));
  return percentile(speeds, 50);
}
