/** Scenario "standard": the lengths people compare elsewhere. */

import type { LoadOptions } from '../../common/protocol/engine';
import { loadFor, type CasePlan, type Scenario } from './scenario';

const standardCases: readonly CasePlan[] = [
  { name: 'prompt 512, 128 new', promptTokens: 512, newTokens: 128, concurrency: 1 },
  { name: 'prompt 512, 256 new', promptTokens: 512, newTokens: 256, concurrency: 1 },
  { name: 'prompt 4096, 128 new', promptTokens: 4096, newTokens: 128, concurrency: 1 },
];

/** @param cases  Replaces the usual three. */
export function standardScenario(base: LoadOptions, cases: readonly CasePlan[] = standardCases): Scenario {
  return { name: 'standard', title: 'Standard lengths', loads: [{ label: base.source, load: loadFor(base, cases), cases, timesText: true }] };
}
