/**
 * Scenario "chat-vs-base": a chat checkpoint ends its answers, a base checkpoint runs to the limit; compared by wall time, the wrong one looks slow.
 * Here both generate the same number of tokens; where each would have stopped is shown apart.
 */

import type { LoadOptions, ModelDescription } from '../../common/protocol/engine';
import { medianRatioInterval } from '../statistics';
import { loadFor, usualCases, type CasePlan, type LoadOutcome, type NaturalStopPlan, type Scenario } from './scenario';

const naturalStops: NaturalStopPlan = {
  questions: ['Hello! Who are you?', '你好，你能做什么？', 'Explain in one sentence what a device map is.'],
  limitTokens: 256,
};

/** @param sources  The chat and the base checkpoint; any two checkpoints will do. */
export function chatAgainstBaseScenario(base: LoadOptions, sources: readonly [string, string], cases: readonly CasePlan[] = usualCases): Scenario {
  const labels = labelsApart(sources);
  return {
    name: 'chat-vs-base',
    title: 'Chat against base',
    loads: sources.map((source, index) => {
      const label = labels[index] ?? source;
      const load = loadFor(base, cases, { source });
      const contextTokens = Math.max(load.contextTokens ?? 0, naturalStops.limitTokens + 128);
      return { label, load: { ...load, contextTokens }, cases: cases.map((each) => ({ ...each, name: `${label}, ${each.name}` })), naturalStops };
    }),
    explain: explainDifference,
  };
}

/** The last part of each path, with as many before it as tell the two apart: cases are known by these names. */
function labelsApart(sources: readonly [string, string]): readonly string[] {
  const parts = sources.map((source) => source.split(/[\\/]/).filter(Boolean));
  const most = Math.max(...parts.map(({ length }) => length));
  for (let count = 1; count <= most; count += 1) {
    const labels = parts.map((each, index) => each.slice(-count).join('/') || (sources[index] ?? ''));
    if (new Set(labels).size > 1) {
      return labels;
    }
  }
  return [parts[0]?.at(-1) ?? sources[0], `${parts[1]?.at(-1) ?? sources[1]} (again)`];
}

/** Differences that change how much work a token is. */
const affectsSpeed: readonly (keyof ModelDescription)[] = ['architecture', 'numLayers', 'hiddenSize', 'intermediateSize', 'numHeads', 'numKvHeads', 'headDim', 'vocabSize', 'parameterCount'];
/** Differences that change only when an answer ends or what it says. */
const affectsLength: readonly (keyof ModelDescription)[] = ['hasChatTemplate', 'eosTokenIds', 'maxContextTokens', 'thinks'];

function explainDifference(outcomes: readonly LoadOutcome[]): readonly string[] {
  const [a, b] = outcomes;
  if (a === undefined || b === undefined) {
    return [];
  }
  return [...describeConfigs(a, b), ...describeSpeed(a, b), ...describeStops(a), ...describeStops(b)];
}

function describeConfigs(a: LoadOutcome, b: LoadOutcome): readonly string[] {
  const differing = (keys: readonly (keyof ModelDescription)[]): readonly string[] =>
    keys
      .filter((key) => JSON.stringify(a.model.description[key]) !== JSON.stringify(b.model.description[key]))
      .map((key) => `${key}: ${JSON.stringify(a.model.description[key])} against ${JSON.stringify(b.model.description[key])}`);
  const speed = differing(affectsSpeed);
  const length = differing(affectsLength);
  return [
    speed.length === 0 ? 'The two checkpoints have the same shape: nothing in their configs makes a token of one cost more than a token of the other.' : `Can affect speed – ${speed.join('; ')}.`,
    length.length === 0 ? 'Their stop tokens and templates are the same.' : `Can affect only where an answer ends – ${length.join('; ')}.`,
  ];
}

function describeSpeed(a: LoadOutcome, b: LoadOutcome): readonly string[] {
  const [left, right] = [a.cases[0], b.cases[0]];
  if (left === undefined || right === undefined || left.samples.length === 0 || right.samples.length === 0) {
    return [];
  }
  const interval = medianRatioInterval(
    left.samples.map((sample) => sample.tpotMs),
    right.samples.map((sample) => sample.tpotMs),
  );
  if (left.summaries.tpotMs?.isUnreliable !== false || right.summaries.tpotMs?.isUnreliable !== false) {
    return ['The times per token scatter too much to say whether one of the two is faster; measure again while the machine is idle.'];
  }
  const range = `${interval.low.toFixed(2)} to ${interval.high.toFixed(2)}`;
  return [
    interval.isDifferent
      ? `At the same length, a token of ${b.plan.label} took ${interval.ratio.toFixed(2)} times as long as one of ${a.plan.label} (95 % interval ${range}).`
      : `At the same length, the two are equally fast: the ratio of their times per token is ${interval.ratio.toFixed(2)} (95 % interval ${range}).`,
  ];
}

function describeStops(outcome: LoadOutcome): readonly string[] {
  if (outcome.naturalStops.length === 0) {
    return [];
  }
  const ends = outcome.naturalStops.map((stop) => (stop.stopReason === 'eos' ? `stopped by itself after ${stop.generatedTokens} tokens` : `ran to the limit of ${stop.generatedTokens} tokens (${stop.stopReason})`));
  return [`Left alone, ${outcome.plan.label} ${ends.join(', then ')}. Such lengths must not be compared as speed.`];
}
