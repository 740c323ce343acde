/** What several GPUs and several requests at a time bring: wall time through the engine process, from the first request to the last token. */

import type { DeviceId } from '../../common/deviceId';
import type { LoadOptions } from '../../common/protocol/engine';
import { defaultLength, greedySampling } from '../../common/sampling';
import type { EngineClient } from '../../engine/client';
import { loadFor } from '../scenarios/scenario';
import { percentile } from '../statistics';

const median = (values: readonly number[]): number => percentile(values, 50);

export interface ThroughputCase {
  readonly name: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly requests: number;
}

export interface ThroughputFigures {
  readonly load: string;
  readonly case: string;
  readonly wallMs: readonly number[];
  readonly ttftMs: number;
  /** Median over the requests, of the last run. */
  readonly tpotMs: number | undefined;
  readonly prefillTokensPerSecond: number | undefined;
  /** Median time between tokens while all requests decode, of the last run. */
  readonly stepMs: number | undefined;
}

/** Between the first token of the last request to get one and the first end of any. */
function steadyStepMs(times: readonly (readonly number[])[]): number | undefined {
  const from = Math.max(...times.map((each) => each[0] ?? Infinity));
  const to = Math.min(...times.map((each) => each[each.length - 1] ?? -Infinity));
  const steps = times.flatMap((each) => each.flatMap((time, index) => (index > 0 && (each[index - 1] as number) >= from && time <= to ? [time - (each[index - 1] as number)] : [])));
  return steps.length === 0 ? undefined : median(steps);
}

export interface ThroughputPlan {
  readonly name: string;
  readonly loads: readonly (readonly [label: string, options: LoadOptions])[];
  readonly cases: readonly ThroughputCase[];
}

/** What is compared between one GPU and two, or asked several at a time. `wanted` are beginnings of names; none of these runs unasked. */
export function throughputPlans(base: LoadOptions, devices: readonly DeviceId[], wanted: readonly string[]): readonly ThroughputPlan[] {
  const loadsOf = (cases: readonly ThroughputCase[], canSplit: boolean): ThroughputPlan['loads'] => {
    const plans = cases.map(({ name, promptTokens, newTokens, requests }) => ({ name, promptTokens, newTokens, concurrency: requests }));
    const one = [`${base.weights}, one GPU`, loadFor(base, plans, { deviceMap: { kind: 'single', device: devices[0] } })] as const;
    return canSplit && devices.length > 1 ? [one, [`${base.weights}, two GPUs`, loadFor(base, plans, { deviceMap: { kind: 'balanced' }, includeDevices: devices.slice(0, 2) })]] : [one];
  };
  const plan = (name: string, canSplit: boolean, cases: readonly ThroughputCase[]): ThroughputPlan => ({ name, loads: loadsOf(cases, canSplit), cases });
  return [
    plan('prefill-overlap', true, [
      { name: '8192 → 2', promptTokens: 8192, newTokens: 2, requests: 1 },
      { name: '512 → 128', promptTokens: 512, newTokens: 128, requests: 1 },
    ]),
    plan('requests-32', true, [{ name: '32 × 2048 → 64', promptTokens: 2048, newTokens: 64, requests: 32 }]),
    plan('requests-16', false, [{ name: '16 × 512 → 128', promptTokens: 512, newTokens: 128, requests: 16 }]),
  ].filter(({ name }) => wanted.some((beginning) => name.startsWith(beginning)));
}

/** Ids that no other request shares a beginning with, so that nothing is reused. */
function promptIds(count: number, seed: number): number[] {
  let state = (seed * 2_654_435_761 + 12_345) >>> 0;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return 100 + (state >>> 8) % 100_000;
  });
}

/** One warm-up, then `repetitions` counted runs of each case on one load. */
export async function measureThroughput(openEngine: () => EngineClient, label: string, options: LoadOptions, cases: readonly ThroughputCase[], repetitions: number): Promise<readonly ThroughputFigures[]> {
  const engine = openEngine();
  let seed = 1;
  try {
    await engine.request('model-load', options);
    const figures: ThroughputFigures[] = [];
    for (const { name, promptTokens, newTokens, requests } of cases) {
      const wallMs: number[] = [];
      const counted: Awaited<ReturnType<EngineClient['generate']>>[] = [];
      let last: typeof counted = [];
      for (let run = 0; run <= repetitions; run += 1) {
        const prompts = Array.from({ length: requests }, () => promptIds(promptTokens, seed++));
        const startedMs = performance.now();
        last = await Promise.all(
          prompts.map((ids, row) =>
            engine.generate(
              { generationId: `${name}-${run}-${row}`, conversationKey: `${name}-${run}-${row}`, prompt: { kind: 'ids', ids }, options: { ...greedySampling, ...defaultLength, maxNewTokens: newTokens, minNewTokens: newTokens, ignoreEos: true } },
              {},
            ),
          ),
        );
        if (run > 0) {
          wallMs.push(performance.now() - startedMs);
          counted.push(...last);
        }
      }
      const present = (values: readonly (number | undefined)[]): number[] => values.filter((value): value is number => value !== undefined);
      const tpots = present(counted.map(({ tpotMs }) => tpotMs));
      const prefills = present(counted.map(({ prefillTokensPerSecond }) => prefillTokensPerSecond));
      figures.push({
        load: label,
        case: name,
        wallMs,
        ttftMs: median(present(counted.map(({ ttftMs }) => ttftMs))),
        tpotMs: tpots.length === 0 ? undefined : median(tpots),
        stepMs: steadyStepMs(last.map(({ tokenTimesMs = [] }) => tokenTimesMs)),
        prefillTokensPerSecond: requests === 1 && prefills.length > 0 ? median(prefills) : undefined,
      });
    }
    return figures;
  } finally {
    await engine.end();
  }
}

/** A table; with the ratio to the first load of the same case. */
export function throughputTable(figures: readonly ThroughputFigures[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(['load', 'case', 'wall ms, median', 'spread', 'against the first', 'TTFT ms', 'TPOT ms', 'step ms, all decoding', 'prefill tok/s']),
    line(Array<string>(9).fill('---')),
    ...figures.map((each) => {
      const first = figures.find((other) => other.case === each.case) as ThroughputFigures;
      const wall = median(each.wallMs);
      return line([
        each.load,
        each.case,
        wall.toFixed(1),
        `${Math.min(...each.wallMs).toFixed(1)}–${Math.max(...each.wallMs).toFixed(1)}`,
        `${(median(first.wallMs) / wall).toFixed(2)} ×`,
        each.ttftMs.toFixed(1),
        each.tpotMs?.toFixed(2) ?? 'n/a',
        each.stepMs?.toFixed(2) ?? 'n/a',
        each.prefillTokensPerSecond?.toFixed(0) ?? 'n/a',
      ]);
    }),
  ].join('\n');
}
