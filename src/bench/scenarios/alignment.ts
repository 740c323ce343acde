/** Scenario "alignment": the same generation with every tensor where it is read, and with one kind of tensor elsewhere; what the difference costs. */

import { alignmentCostKey, type AlignmentCosts, type AlignmentKind } from '../../common/alignment';
import { formatBytes } from '../../common/byteFormat';
import type { LoadOptions } from '../../common/protocol/engine';
import type { AlignmentCost } from '../report/schema';
import { medianRatioInterval, percentile } from '../statistics';
import { loadFor, type CasePlan, type LoadOutcome, type LoadPlan, type Scenario } from './scenario';

type Tensor = NonNullable<LoadOptions['misplace']>[number];

const misplaced: readonly { readonly tensor: Tensor; readonly kind: AlignmentKind; readonly label: string; readonly isBorder: boolean }[] = [
  { tensor: 'input_ids', kind: 'host-bound-inputs', label: 'input_ids on cpu', isBorder: false },
  { tensor: 'logits', kind: 'host-bound-inputs', label: 'logits away from the sampler', isBorder: false },
  { tensor: 'kv', kind: 'kv-cache-on-cpu', label: 'KV cache on cpu', isBorder: false },
  { tensor: 'hidden', kind: 'hidden-state-through-host', label: 'hidden state through the host', isBorder: true },
];

const aligned = 'aligned';
const alignedStages = 'aligned, two stages';

/** Every load is measured so often, in turns: how fast a process happens to run differs from load to load by more than some of these costs. */
const rounds = 2;

/** Two baselines: hidden states cross a border only where there is one. */
export function alignmentScenario(base: LoadOptions, cases: readonly CasePlan[] = [{ name: 'prompt 128, 64 new', promptTokens: 128, newTokens: 64, concurrency: 1 }]): Scenario {
  const plan = (round: number, label: string, misplace: readonly Tensor[], isBorder: boolean): LoadPlan => ({
    label,
    // Nothing may be repaired, and an empty list lets the runtime's own kernels decode here too.
    load: loadFor(base, cases, { alignment: 'off', misplace, ...(isBorder ? { numStages: base.numStages ?? 2 } : {}) }),
    cases: cases.map((each) => ({ ...each, name: `${label}, ${each.name}${round === 0 ? '' : `, round ${round + 1}`}` })),
  });
  return {
    name: 'alignment',
    title: 'Device alignment',
    loads: Array.from({ length: rounds }, (_, round) => [
      plan(round, aligned, [], false),
      ...misplaced.filter(({ isBorder }) => !isBorder).map(({ label, tensor }) => plan(round, label, [tensor], false)),
      plan(round, alignedStages, [], true),
      ...misplaced.filter(({ isBorder }) => isBorder).map(({ label, tensor }) => plan(round, label, [tensor], true)),
    ]).flat(),
    alignmentCosts,
    explain: (outcomes) => describeCosts(alignmentCosts(outcomes), outcomes),
  };
}

/** What each kind cost against the baseline of its shape, over the first case of every round. */
export function alignmentCosts(outcomes: readonly LoadOutcome[]): readonly AlignmentCost[] {
  return misplaced.flatMap(({ tensor, kind, label, isBorder }): readonly AlignmentCost[] => {
    const of = (wanted: string): readonly LoadOutcome[] => outcomes.filter((outcome) => outcome.plan.label === wanted && outcome.cases[0] !== undefined);
    const [without, withIt] = [roundTimes(of(isBorder ? alignedStages : aligned)), roundTimes(of(label))];
    if (without.length === 0 || withIt.length === 0) {
      return [];
    }
    const [before, after] = [without.flat(), withIt.flat()];
    const [alignedMs, misalignedMs] = [percentile(before, 50), percentile(after, 50)];
    const messages = (of(label)[0]?.model.alignment ?? []).filter((message) => message.kind === kind);
    return [
      {
        tensor,
        kind,
        label,
        ...(messages.length === 0 ? {} : { bytesPerToken: messages.reduce((sum, message) => sum + (message.bytesPerToken ?? 0), 0) }),
        alignedTokensPerSecond: 1000 / alignedMs,
        misalignedTokensPerSecond: 1000 / misalignedMs,
        costMsPerToken: misalignedMs - alignedMs,
        isSignificant: medianRatioInterval(before, after).isDifferent && areApart(without, withIt),
      },
    ];
  });
}

/** Times per token, by round. */
function roundTimes(outcomes: readonly LoadOutcome[]): readonly (readonly number[])[] {
  return outcomes.map((outcome) => (outcome.cases[0]?.samples ?? []).map((sample) => sample.tpotMs)).filter((times) => times.length > 0);
}

/** Whether all rounds of one side are slower in the median than all of the other: samples of one load resemble each other, so an interval over all of them promises too much. */
function areApart(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): boolean {
  const medians = (side: readonly (readonly number[])[]): readonly number[] => side.map((times) => percentile(times, 50));
  return Math.max(...medians(a)) < Math.min(...medians(b)) || Math.max(...medians(b)) < Math.min(...medians(a));
}

/** What to hand back as `LoadOptions.alignmentCostsMs`: only what is more than noise. */
export function measuredCosts(costs: readonly AlignmentCost[]): AlignmentCosts {
  return Object.fromEntries(costs.filter((cost) => cost.isSignificant && cost.costMsPerToken > 0).map((cost) => [alignmentCostKey(cost.kind, cost.tensor), cost.costMsPerToken]));
}

function describeCosts(costs: readonly AlignmentCost[], outcomes: readonly LoadOutcome[]): readonly string[] {
  if (costs.length === 0) {
    return [];
  }
  const largest = Math.max(...costs.map((cost) => Math.abs(cost.costMsPerToken)), Number.MIN_VALUE);
  const rows = costs.map((cost) => {
    const bar = '█'.repeat(Math.max(0, Math.round((cost.costMsPerToken / largest) * 20)));
    const verdict = cost.isSignificant ? bar : 'within the noise';
    return `| ${cost.label} | ${formatBytes(cost.bytesPerToken)} | ${cost.alignedTokensPerSecond.toFixed(1)} | ${cost.misalignedTokensPerSecond.toFixed(1)} | ${cost.costMsPerToken.toFixed(3)} | ${verdict} |`;
  });
  const isSoftware = outcomes.some((outcome) => outcome.plan.load.allowSoftwareGpu && outcome.model.plan.stages.some((stage) => stage.provider === 'webgpu'));
  return [
    ['| misplaced | bytes per token | aligned tok/s | misaligned tok/s | cost ms/token | |', '|---|---|---|---|---|---|', ...rows].join('\n'),
    'Cost is the difference of the median times per token over all rounds, and noise unless every round of one side was slower than every round of the other; both sides decode with the runtime\'s own kernels.',
    ...(isSoftware ? ['A software rasteriser was allowed as the second device (simulated): if it was used, "device" memory is main memory, and these costs say nothing about a GPU behind PCIe.'] : []),
  ];
}
