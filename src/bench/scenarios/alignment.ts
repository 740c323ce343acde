/** Scenario "alignment": the same generation with every tensor where it is read, and with one kind of tensor elsewhere; what the difference costs. */

import { alignmentCostKey, noCostRemark, type AlignmentCosts, type AlignmentKind } from '../../common/alignment';
import { formatBytes } from '../../common/byteFormat';
import type { LoadOptions, Misplaceable } from '../../common/protocol/engine';
import type { DeviceDescription } from '../../common/protocol/monitor';
import type { AlignmentCost } from '../report/schema';
import { medianRatioInterval, percentile, reliableCount } from '../statistics';
import { loadFor, type CasePlan, type LoadOutcome, type LoadPlan, type Scenario } from './scenario';

interface Kind {
  readonly label: string;
  readonly kind: AlignmentKind;
  /** As messages name it. */
  readonly tensor?: string;
  /** What the load with it differs in. */
  readonly changes: (base: LoadOptions, gpu: string) => Partial<LoadOptions>;
  readonly baseline: string;
  /** A second model answers meanwhile. */
  readonly isBeside?: boolean;
  /** Whether the next load of the model as it is set may tell this figure: not where it depends on which part of the model is concerned. */
  readonly isToldLater: boolean;
}

const aligned = 'aligned';
const alignedStages = 'aligned, two stages';
const alignedMap = 'device map auto';

const misplace = (tensor: Misplaceable) => (): Partial<LoadOptions> => ({ misplace: [tensor] });

const kinds: readonly Kind[] = [
  { label: 'input_ids on cpu', kind: 'host-bound-inputs', tensor: 'input_ids', changes: misplace('input_ids'), baseline: aligned, isToldLater: true },
  { label: 'positions on cpu', kind: 'host-bound-inputs', tensor: 'seqlens_k', changes: misplace('positions'), baseline: aligned, isToldLater: true },
  { label: 'logits away from the sampler', kind: 'host-bound-inputs', tensor: 'logits', changes: misplace('logits'), baseline: aligned, isToldLater: true },
  { label: 'KV cache on cpu', kind: 'kv-cache-on-cpu', tensor: 'kv', changes: misplace('kv'), baseline: aligned, isToldLater: true },
  { label: 'hidden state through the host', kind: 'hidden-state-through-host', tensor: 'hidden', changes: misplace('hidden'), baseline: alignedStages, isToldLater: true },
  { label: 'one node on cpu', kind: 'node-fallback', changes: misplace('node'), baseline: aligned, isToldLater: false },
  { label: 'first layer on cpu', kind: 'stage-on-cpu', changes: (_, gpu) => ({ numStages: undefined, deviceMap: { kind: 'map', map: { '': gpu, 'model.layers.0': 'cpu' } } }), baseline: aligned, isToldLater: false },
  { label: 'second model answering on the same device', kind: 'devices-shared', changes: () => ({}), baseline: aligned, isBeside: true, isToldLater: true },
  // Weights that only GPUs can hold are held another way there.
  { label: 'whole model on cpu', kind: 'provider-replaced', changes: () => ({ provider: 'cpu', weights: 'auto', kvCache: 'auto', deviceMap: { kind: 'auto' }, numStages: undefined, includeDevices: undefined, excludeDevices: undefined, misplace: undefined }), baseline: aligned, isToldLater: true },
];

/** The user's own map against `auto`: the only way to know what just these layers on the CPU cost. */
const ownMap: Kind = { label: 'layers as the device map says', kind: 'stage-on-cpu', changes: (base) => ({ deviceMap: base.deviceMap }), baseline: alignedMap, isToldLater: true };

/** Every load is measured so often, in turns: how fast a process happens to run differs from load to load by more than some of these costs. */
const rounds = 2;

/** Baselines of the same shape: hidden states cross a border only where there is one, and a map of the user's own is compared with none. */
export function alignmentScenario(
  base: LoadOptions,
  devices: readonly Pick<DeviceDescription, 'id' | 'kind'>[] = [],
  cases: readonly CasePlan[] = [{ name: 'prompt 128, 64 new', promptTokens: 128, newTokens: 64, concurrency: 1 }],
): Scenario {
  const gpu = base.provider !== 'webgpu' && devices.some(({ kind }) => kind === 'cuda') ? 'cuda:0' : 'webgpu:0';
  const hasOwnMap = base.deviceMap.kind === 'map';
  // Nothing may be repaired, and an empty list lets the runtime's own kernels decode in a baseline too.
  const plain: Partial<LoadOptions> = { alignment: 'off', misplace: [], ...(hasOwnMap ? { deviceMap: { kind: 'auto' } } : {}) };
  const ofBaseline: Readonly<Record<string, Partial<LoadOptions>>> = { [alignedStages]: { numStages: base.numStages ?? 2 } };
  const plan = (round: number, label: string, changes: Partial<LoadOptions>, { baseline: comparedWith, isBeside }: Partial<Kind> = {}): LoadPlan => ({
    label,
    load: loadFor(base, cases, { ...plain, ...changes }),
    ...(comparedWith === undefined ? {} : { comparedWith }),
    ...(isBeside === true ? { beside: loadFor(base, cases, { deviceMap: { kind: 'auto' } }) } : {}),
    cases: cases.map((each) => ({ ...each, name: `${label}, ${each.name}${round === 0 ? '' : `, round ${round + 1}`}` })),
  });
  const all = [...kinds, ...(hasOwnMap ? [ownMap] : [])];
  return {
    name: 'alignment',
    title: 'Device alignment',
    loads: Array.from({ length: rounds }, (_, round) =>
      [...new Set(all.map(({ baseline }) => baseline))].flatMap((baseline) => [
        plan(round, baseline, ofBaseline[baseline] ?? {}),
        ...all.filter((kind) => kind.baseline === baseline).map((kind) => plan(round, kind.label, { ...ofBaseline[baseline], ...kind.changes(base, gpu) }, kind)),
      ]),
    ).flat(),
    alignmentCosts,
    explain: (outcomes) => describeCosts(alignmentCosts(outcomes), outcomes),
  };
}

/** What each kind cost against the baseline of its shape, over the first case of every round. */
export function alignmentCosts(outcomes: readonly LoadOutcome[]): readonly AlignmentCost[] {
  return [...kinds, ownMap].flatMap(({ tensor, kind, label, baseline }): readonly AlignmentCost[] => {
    const of = (wanted: string): readonly LoadOutcome[] => outcomes.filter((outcome) => outcome.plan.label === wanted && outcome.cases[0] !== undefined);
    const [without, withIt] = [roundTimes(of(baseline)), roundTimes(of(label))];
    if (without.length === 0 || withIt.length === 0) {
      return [];
    }
    const [before, after] = [without.flat(), withIt.flat()];
    const [alignedMs, misalignedMs] = [percentile(before, 50), percentile(after, 50)];
    const bytes = (of(label)[0]?.model.alignment ?? []).filter((message) => message.kind === kind).flatMap((message) => message.bytesPerToken ?? []);
    return [
      {
        ...(tensor === undefined ? {} : { tensor }),
        kind,
        label,
        ...(bytes.length === 0 ? {} : { bytesPerToken: bytes.reduce((sum, one) => sum + one, 0) }),
        alignedTokensPerSecond: 1000 / alignedMs,
        misalignedTokensPerSecond: 1000 / misalignedMs,
        costMsPerToken: misalignedMs - alignedMs,
        isSignificant: medianRatioInterval(before, after).isDifferent && areApart(without, withIt),
        ...([...of(baseline), ...of(label)].some(({ model }) => model.simulated === true) ? { simulated: true } : {}),
      },
    ];
  });
}

/** Times per token, by round. */
function roundTimes(outcomes: readonly LoadOutcome[]): readonly (readonly number[])[] {
  return outcomes.map((outcome) => (outcome.cases[0]?.samples ?? []).map((sample) => sample.tpotMs)).filter((times) => times.length > 0);
}

/**
 * Whether all rounds of one side are slower in the median than all of the other: samples of one load resemble each other, so an interval over all of them promises too much.
 * One round of each, which is what a cancel may leave, tells nothing, nor do a few runs.
 */
function areApart(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): boolean {
  if (Math.min(a.length, b.length) < rounds || Math.min(a.flat().length, b.flat().length) < reliableCount) {
    return false;
  }
  const medians = (side: readonly (readonly number[])[]): readonly number[] => side.map((times) => percentile(times, 50));
  return Math.max(...medians(a)) < Math.min(...medians(b)) || Math.max(...medians(b)) < Math.min(...medians(a));
}

/** What to hand back as `LoadOptions.alignmentCostsMs`: only what is more than noise. */
export function measuredCosts(costs: readonly AlignmentCost[]): AlignmentCosts {
  return Object.fromEntries(costs.filter((cost) => cost.isSignificant && cost.costMsPerToken > 0 && [...kinds, ownMap].some(({ label, isToldLater }) => isToldLater && label === cost.label)).map((cost) => [alignmentCostKey(cost.kind, cost.tensor), cost.costMsPerToken]));
}

function describeCosts(costs: readonly AlignmentCost[], outcomes: readonly LoadOutcome[]): readonly string[] {
  if (costs.length === 0) {
    return [];
  }
  const largest = Math.max(...costs.map((cost) => cost.costMsPerToken), Number.MIN_VALUE);
  const rows = costs.map((cost) => {
    const bar = '█'.repeat(Math.max(0, Math.round((cost.costMsPerToken / largest) * 20)));
    return `| ${cost.label}${cost.simulated === true ? ' (simulated)' : ''} | ${formatBytes(cost.bytesPerToken)} | ${cost.alignedTokensPerSecond.toFixed(1)} | ${cost.misalignedTokensPerSecond.toFixed(1)} | ${cost.costMsPerToken.toFixed(3)} | ${noCostRemark(cost) ?? bar} |`;
  });
  const isSoftware = outcomes.some(({ model }) => model.simulated === true);
  return [
    ['| misplaced | bytes per token | aligned tok/s | misaligned tok/s | cost ms/token | |', '|---|---|---|---|---|---|', ...rows].join('\n'),
    'Cost is the difference of the median times per token over all rounds, and noise unless every round of one side was slower than every round of the other, so one round alone, which a cancel may leave, and fewer than five runs count as noise; both sides decode with the runtime\'s own kernels, but for the whole model on cpu.',
    ...fasterNote(costs, isSoftware),
    ...(isSoftware ? ['The second device is a software rasteriser (simulated): "device" memory is main memory, and these costs say nothing about a GPU behind PCIe.'] : []),
  ];
}

/** A gain by misplacing is no finding to act on, but a sign. */
function fasterNote(costs: readonly AlignmentCost[], isSoftware: boolean): readonly string[] {
  const faster = costs.filter((cost) => cost.isSignificant && cost.costMsPerToken < 0);
  if (faster.length === 0) {
    return [];
  }
  const list = faster.map(({ label, costMsPerToken }) => `${label} (${(-costMsPerToken).toFixed(3)} ms per token)`).join(', ');
  return [
    `Faster than with everything in place in every round: ${list}. ${isSoftware ? 'Work that leaves a software rasteriser for the CPU may well be; else something' : 'Something'} else used the machine while the baseline ran, or its clocks changed; measure again on a machine that does nothing else before believing it. It is not kept as a cost.`,
  ];
}
