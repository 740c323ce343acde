/** Which rule, if any, makes two measured cases incomparable. Pure. */

import type { BenchmarkCase } from './report/schema';

/** A rule that two cases break, in words for the report. */
export interface BrokenRule {
  /** `prompt`, `length`, `sampling`, `repetitions`, `batch`, `incomplete`, `early-stop`, or one that a case broke by itself, such as `cache`. */
  readonly rule: string;
  readonly explanation: string;
}

/** Every rule of a fair comparison that `a` and `b` break; empty when their figures may stand side by side. */
export function brokenRules(a: BenchmarkCase, b: BenchmarkCase): readonly BrokenRule[] {
  const broken: BrokenRule[] = [];
  const add = (rule: string, explanation: string): void => {
    broken.push({ rule, explanation });
  };
  if (a.rules.promptTokens !== b.rules.promptTokens) {
    add('prompt', `the prompts have ${a.rules.promptTokens} and ${b.rules.promptTokens} tokens`);
  } else if (a.rules.promptHash !== b.rules.promptHash) {
    add('prompt', 'the prompts are not the same token ids');
  }
  if (a.rules.newTokens !== b.rules.newTokens) {
    add('length', `${a.rules.newTokens} and ${b.rules.newTokens} tokens were asked for`);
  }
  if (a.rules.sampling !== b.rules.sampling || a.rules.seed !== b.rules.seed) {
    add('sampling', `sampling differs: ${a.rules.sampling} with seed ${a.rules.seed}, ${b.rules.sampling} with seed ${b.rules.seed}`);
  }
  if (a.rules.batch !== b.rules.batch || a.rules.concurrency !== b.rules.concurrency) {
    add('batch', `batch ${a.rules.batch} × ${a.rules.concurrency} requests against ${b.rules.batch} × ${b.rules.concurrency}`);
  }
  for (const each of [a, b]) {
    each.brokenRules?.forEach(({ rule, explanation }) => add(rule, `"${each.name}": ${explanation}`));
    if (each.endedBy !== undefined) {
      add('incomplete', `"${each.name}" ended early: ${each.endedBy}`);
    } else if (each.samples.length < each.rules.repetitions) {
      add('repetitions', `"${each.name}" has ${each.samples.length} of ${each.rules.repetitions} repetitions`);
    }
    const short = each.samples.find((sample) => sample.generatedTokens !== each.rules.newTokens);
    if (short !== undefined) {
      add('early-stop', `"${each.name}" generated ${short.generatedTokens} instead of ${each.rules.newTokens} tokens in a run`);
    }
  }
  return broken;
}
