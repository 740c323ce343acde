/** Scenario "alignment": the same generation with every tensor where it is read, and with one kind of tensor elsewhere; what the difference costs. */

import { alignmentCostKey, type AlignmentCosts, type AlignmentKind } from '../../common/alignment';
import { formatBytes } from '../../common/byteFormat';
import type { LoadOptions } from '../../common/protocol/engine';
import type { AlignmentCost } from '../report/schema';
import { medianRatioInterval } from '../statistics';
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

/** Two baselines: hidden states cross a border only where there is one. */
export function alignmentScenario(base: LoadOptions, cases: readonly CasePlan[] = [{ name: 'prompt 128, 64 new', promptTokens: 128, newTokens: 64, concurrency: 1 }]): Scenario {
  const plan = (label: string, misplace: readonly Tensor[], isBorder: boolean): LoadPlan => ({
    label,
    // Nothing may be repaired, and an empty list lets the runtime's own kernels decode here too.
    load: loadFor(base, cases, { alignment: 'off', misplace, ...(isBorder ? { numStages: base.numStages ?? 2 } : {}) }),
    cases: cases.map((each) => ({ ...each, name: `${label}, ${each.name}` })),
  });
  return {
    name: 'alignment',
    title: 'Device alignment',
    loads: [
      plan(aligned, [], false),
      ...misplaced.filter(({ isBorder }) => !isBorder).map(({ label, tensor }) => plan(label, [tensor], false)),
      plan(alignedStages, [], true),
      ...misplaced.filter(({ isBorder }) => isBorder).map(({ label, tensor }) => plan(label, [tensor], true)),
    ],
    alignmentCosts,
    explain: (outcomes) => describeCosts(alignmentCosts(outcomes), outcomes),
  };
}

/** What each kind cost against the baseline of its shape, over the first case. */
export function alignmentCosts(outcomes: readonly LoadOutcome[]): readonly AlignmentCost[] {
  return misplaced.flatMap(({ tensor, kind, label, isBorder }): readonly AlignmentCost[] => {
    const of = (wanted: string): LoadOutcome | undefined => outcomes.find((outcome) => outcome.plan.label === wanted);
    const [without, withIt] = [of(isBorder ? alignedStages : aligned), of(label)];
    const [before, after] = [without?.cases[0], withIt?.cases[0]];
    const [alignedMs, misalignedMs] = [before?.summaries.tpotMs?.median, after?.summaries.tpotMs?.median];
    if (before === undefined || after === undefined || alignedMs === undefined || misalignedMs === undefined) {
      return [];
    }
    const messages = (withIt?.model.alignment ?? []).filter((message) => message.kind === kind);
    const times = (each: typeof before): readonly number[] => each.samples.map((sample) => sample.tpotMs);
    return [
      {
        tensor,
        kind,
        label,
        ...(messages.length === 0 ? {} : { bytesPerToken: messages.reduce((sum, message) => sum + (message.bytesPerToken ?? 0), 0) }),
        alignedTokensPerSecond: 1000 / alignedMs,
        misalignedTokensPerSecond: 1000 / misalignedMs,
        costMsPerToken: misalignedMs - alignedMs,
        isSignificant: medianRatioInterval(times(before), times(after)).isDifferent,
      },
    ];
  });
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
    'Cost is the difference of the median times per token; both sides decode with the runtime\'s own kernels.',
    ...(isSoftware ? ['A software rasteriser was allowed as the second device (simulated): if it was used, "device" memory is main memory, and these costs say nothing about a GPU behind PCIe.'] : []),
  ];
}
