/** From the logits of one position to the next token, with transformers' order: penalty, stop-token mask, temperature, top_k, top_p, min_p. */

import { GlmError } from '../common/errors';
import type { GenerationOptions } from '../common/sampling';
import { keepMinP } from './processors/minP';
import { maskEosBefore } from './processors/minNewTokens';
import { applyRepetitionPenalty } from './processors/repetitionPenalty';
import { applyTemperature } from './processors/temperature';
import { keepTopK } from './processors/topK';
import { keepTopP } from './processors/topP';
import type { Random } from './random';
import { expScores, indexOfMax, type RowWorkspace, type ScoreRow } from './scoreRow';
import type { StepLogits } from './stepRunner';

export interface SamplerState {
  readonly options: GenerationOptions;
  readonly eosIds: readonly number[];
  /** Ids of prompt and answer so far. */
  readonly seen: ReadonlySet<number>;
  readonly generatedTokens: number;
  readonly random: Random;
  readonly workspace: RowWorkspace;
}

/** Greedy when sampling is off or the temperature is 0. */
export function isGreedy(options: GenerationOptions): boolean {
  return !options.doSample || options.temperature === 0;
}

/**
 * Chooses the next token. Uses the device's few highest logits when they certainly give the same choice as the whole row.
 * @throws {GlmError} `logits-not-finite` when there is nothing to choose from.
 */
export async function chooseToken(logits: StepLogits, vocabSize: number, state: SamplerState): Promise<number> {
  const fromTop = logits.top === undefined ? undefined : rowFromTop(logits.top, vocabSize, state);
  return chooseFromRow(fromTop ?? rowFromAll(await logits.full(), state), state);
}

/** The runner's row must stay as it is. */
function rowFromAll(scores: Float32Array, state: SamplerState): ScoreRow {
  const { options, generatedTokens } = state;
  const isRead = isGreedy(options) && options.repetitionPenalty === 1 && (options.ignoreEos || generatedTokens >= options.minNewTokens);
  return isRead ? { scores } : adjust({ scores: state.workspace.copyOf(scores) }, state);
}

/** Probabilities after all processors, by descending probability: what a choice would be drawn from. */
export function distributionOf(logits: Float32Array, state: SamplerState): readonly { readonly id: number; readonly probability: number }[] {
  const row = narrow(adjust({ scores: logits.slice() }, state), state.options);
  const { weights, sum } = expScores(row.scores);
  return Array.from(weights, (weight, i) => ({ id: row.ids?.[i] ?? i, probability: weight / sum }))
    .filter(({ probability }) => probability > 0)
    .sort((a, b) => b.probability - a.probability || a.id - b.id);
}

function adjust(row: ScoreRow, { options, eosIds, seen, generatedTokens }: SamplerState): ScoreRow {
  const penalized = applyRepetitionPenalty(row, options.repetitionPenalty, seen);
  return options.ignoreEos ? penalized : maskEosBefore(penalized, options.minNewTokens, generatedTokens, eosIds);
}

function narrow(row: ScoreRow, options: GenerationOptions): ScoreRow {
  return keepMinP(keepTopP(keepTopK(applyTemperature(row, options.temperature), options.topK), options.topP), options.minP);
}

function chooseFromRow(row: ScoreRow, { options, random }: SamplerState): number {
  const best = indexOfMax(row.scores);
  if (best < 0 || !Number.isFinite(row.scores[best])) {
    throw new GlmError('logits-not-finite', 'The model computed no usable numbers (NaN or infinity) for the next token. Half precision probably overflowed, or the weights are damaged. Load the model with bf16 or int4 weights, and check the files by downloading them again.', {
      next: [{ label: 'Change the weights', command: 'glm.openSettings', args: ['glm.weights'], terminal: 'Load with --weights bf16 or int4' }],
    });
  }
  if (isGreedy(options)) {
    return row.ids?.[best] ?? best;
  }
  const narrowed = narrow(row, options);
  const { weights, sum } = expScores(narrowed.scores);
  let rest = random.next() * sum;
  let chosen = -1;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i]! > 0) {
      chosen = i;
      rest -= weights[i]!;
      if (rest < 0) {
        break;
      }
    }
  }
  return narrowed.ids?.[chosen] ?? chosen;
}

/**
 * The adjusted row of the device's highest logits, or undefined when tokens that it left out could matter.
 *
 * What was left out is at most the lowest value in the list, and is only lowered by a penalty above 1 and by the mask.
 */
function rowFromTop(top: NonNullable<StepLogits['top']>, vocabSize: number, state: SamplerState): ScoreRow | undefined {
  if (state.options.repetitionPenalty < 1 || top.values.length === 0) {
    return undefined;
  }
  const floor = top.values[top.values.length - 1]!;
  const order = Array.from(top.ids.keys()).sort((a, b) => top.ids[a]! - top.ids[b]!);
  const row = adjust({ ids: Int32Array.from(order, (i) => top.ids[i]!), scores: Float32Array.from(order, (i) => top.values[i]!) }, state);
  return isSettledBy(row.scores, floor, vocabSize - row.scores.length, state.options) ? row : undefined;
}

/** Whether `numOthers` more scores, none above `floor`, would leave the choice as it is. */
function isSettledBy(scores: Float32Array, floor: number, numOthers: number, options: GenerationOptions): boolean {
  const above = scores.filter((score) => score > floor).sort().reverse();
  const best = above[0];
  if (numOthers === 0) {
    return true;
  }
  if (best === undefined) {
    return false;
  }
  if (isGreedy(options)) {
    return true;
  }
  if (options.topK > 0) {
    return above.length >= options.topK;
  }
  const weightOf = (score: number): number => Math.exp((score - best) / options.temperature);
  if (options.topP < 1) {
    // The whole sum of weights lies between these two; the set that reaches top_p must be the same for both.
    const least = above.reduce((sum, score) => sum + weightOf(score), 0);
    const most = least + (scores.length - above.length + numOthers) * weightOf(floor);
    const needed = numToReach(options.topP * least, above, weightOf);
    return needed !== undefined && needed === numToReach(options.topP * most, above, weightOf);
  }
  return options.minP > 0 && weightOf(floor) < options.minP * 0.999;
}

/** How many of the scores, best first, it takes until their weights reach `target`; undefined when all together do not, or only just might. */
function numToReach(target: number, scores: Float32Array, weightOf: (score: number) => number): number | undefined {
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    sum += weightOf(scores[i]!);
    if (Math.abs(sum - target) < 1e-6 * target) {
      return undefined;
    }
    if (sum >= target) {
      return i + 1;
    }
  }
  return undefined;
}
