/** Perplexity of the bundled text and token agreement between formats, from the engine's teacher-forced scores. */

import type { ScoreResult } from '../common/protocol/engine';
import { hashPromptIds } from './prompt';
import type { BenchmarkCase, Quality } from './report/schema';

/** What a quality measurement asks of a loaded model. */
export interface ScoringEngine {
  tokenize(text: string, mode: 'special' | 'no-special'): Promise<readonly number[]>;
  score(ids: readonly number[]): Promise<ScoreResult>;
}

/** Positions read in one go, the tokenizer's own prefix included: each window starts anew, as a short conversation would. */
export const scoreWindowTokens = 512;

export interface TextScores {
  readonly quality: Quality;
  /** The most probable token at every scored place. */
  readonly bestIds: readonly number[];
}

/**
 * Scores `text` window by window. The prefix that the tokenizer adds by itself precedes every window and is not scored.
 * @returns undefined for a text of fewer than two tokens.
 */
export async function scoreText(engine: ScoringEngine, text: string, windowTokens = scoreWindowTokens): Promise<TextScores | undefined> {
  const prefix = await engine.tokenize('', 'special');
  const ids = await engine.tokenize(text, 'no-special');
  const step = windowTokens - prefix.length;
  const logProbs: number[] = [];
  const bestIds: number[] = [];
  for (let at = 0; at < ids.length; at += step) {
    const window = [...prefix, ...ids.slice(at, at + step)];
    if (window.length < 2) {
      break;
    }
    const scores = await engine.score(window);
    // Entry i judges id i + 1, so what judges the prefix itself comes first.
    const skipped = Math.max(0, prefix.length - 1);
    logProbs.push(...scores.logProbs.slice(skipped));
    bestIds.push(...scores.bestIds.slice(skipped));
  }
  if (logProbs.length === 0) {
    return undefined;
  }
  const perplexity = Math.exp(-logProbs.reduce((sum, each) => sum + each, 0) / logProbs.length);
  return { quality: { perplexity, scoredTokens: logProbs.length, textHash: hashPromptIds(ids) }, bestIds };
}

/** `scores` held against those of the reference format over the same ids; unchanged where the ids differ, since then nothing compares. */
export function againstReference(scores: TextScores, reference: TextScores): Quality {
  if (scores === reference || scores.quality.textHash !== reference.quality.textHash) {
    return scores.quality;
  }
  const same = scores.bestIds.filter((id, index) => id === reference.bestIds[index]).length;
  return { ...scores.quality, tokenAgreement: same / scores.bestIds.length, perplexityRatio: scores.quality.perplexity / reference.quality.perplexity };
}

/** Sentences for the report, one per format. */
export function describeQuality(cases: readonly BenchmarkCase[]): readonly string[] {
  const seen = new Set<string>();
  return cases.flatMap(({ weights, quality }) => {
    if (quality === undefined || seen.has(weights)) {
      return [];
    }
    seen.add(weights);
    const { perplexity, scoredTokens, perplexityRatio, tokenAgreement } = quality;
    const change = perplexityRatio === undefined ? '' : `, ${((perplexityRatio - 1) * 100).toFixed(2)} % ${perplexityRatio < 1 ? 'below (lower is better)' : 'above'} the first format's`;
    const agreement = tokenAgreement === undefined ? '' : `; the same token is most probable at ${(tokenAgreement * 100).toFixed(1)} % of the places`;
    return [`${weights}: perplexity ${perplexity.toPrecision(4)} over ${scoredTokens} tokens of the bundled text${change}${agreement}.`];
  });
}
