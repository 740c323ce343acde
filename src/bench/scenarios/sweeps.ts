/** Sweeps along one axis: concurrent requests, context length, weights, devices. */

import type { DeviceId } from '../../common/deviceId';
import type { WeightFormat } from '../../common/dtype';
import type { LoadOptions } from '../../common/protocol/engine';
import { describeQuality } from '../quality';
import type { BenchmarkCase } from '../report/schema';
import { togetherTokensPerSecond } from '../report/togetherSpeed';
import { loadFor, usualCases, type CasePlan, type Scenario } from './scenario';

/** Requests submitted together; shows what continuous batching gains and what it costs each of them. @param lengths  Of each request. */
export function concurrencyScenario(base: LoadOptions, lengths: Pick<CasePlan, 'promptTokens' | 'newTokens'> = { promptTokens: 128, newTokens: 64 }, counts: readonly number[] = [1, 2, 4, 8]): Scenario {
  const { promptTokens, newTokens } = lengths;
  const cases = counts.map((concurrency): CasePlan => ({ name: `${concurrency} at once`, promptTokens, newTokens, concurrency }));
  return { name: 'concurrency', title: 'Concurrent requests', loads: [{ label: base.source, load: loadFor(base, cases), cases }], explain: (outcomes) => outcomes.flatMap((outcome) => describeTogether(outcome.cases)) };
}

/** One sentence: the cases are held apart by the batch rule, and what all requests make together is what the sweep is run for. */
function describeTogether(cases: readonly BenchmarkCase[]): readonly string[] {
  const speeds = cases.flatMap((each) => {
    const tokensPerSecond = togetherTokensPerSecond(each);
    return tokensPerSecond === undefined ? [] : [{ count: each.rules.concurrency, tokensPerSecond }];
  });
  const [first, ...others] = speeds;
  if (first === undefined || others.length === 0) {
    return [];
  }
  const parts = others.map(({ count, tokensPerSecond }) => `${count} at once ${tokensPerSecond.toFixed(0)} (${(tokensPerSecond / first.tokensPerSecond).toFixed(2)} ×)`);
  return [`Tokens per second of all requests together, prompts included: ${first.count} at once ${first.tokensPerSecond.toFixed(0)}, ${parts.join(', ')}.`];
}

/** The same answer length after longer and longer prompts. */
export function contextScenario(base: LoadOptions, lengths: readonly number[] = [128, 512, 2048, 8192]): Scenario {
  const cases = lengths.map((promptTokens): CasePlan => ({ name: `after ${promptTokens}`, promptTokens, newTokens: 64, concurrency: 1 }));
  return { name: 'context', title: 'Context length', loads: [{ label: base.source, load: loadFor(base, cases), cases }] };
}

/** One checkpoint in several weight formats: speed, memory, and how well each predicts the bundled text, the first being the reference. */
export function precisionScenario(base: LoadOptions, formats: readonly WeightFormat[], cases: readonly CasePlan[] = usualCases): Scenario {
  return {
    name: 'precision',
    title: 'Weight formats',
    loads: [...new Set(formats)].map((weights) => ({ label: weights, load: loadFor(base, cases, { weights }), cases: cases.map((each) => ({ ...each, name: `${weights}, ${each.name}` })), scoresText: true })),
    explain: (outcomes) => describeQuality(outcomes.flatMap((outcome) => outcome.cases)),
  };
}

/** One GPU, two, …, and the CPU. `sets` names the devices of each run. */
export function devicesScenario(base: LoadOptions, sets: readonly (readonly DeviceId[])[], cases: readonly CasePlan[] = usualCases): Scenario {
  return {
    name: 'devices',
    title: 'Devices',
    loads: sets.map((includeDevices) => {
      const label = includeDevices.join('+');
      const deviceMap = includeDevices.length > 1 ? ({ kind: 'balanced' } as const) : ({ kind: 'single', device: includeDevices[0] } as const);
      return { label, load: loadFor(base, cases, { includeDevices, deviceMap }), cases: cases.map((each) => ({ ...each, name: `${label}, ${each.name}` })) };
    }),
  };
}
