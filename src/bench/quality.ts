/**
 * Perplexity of the bundled texts and token agreement between formats, from the engine's teacher-forced scores.
 * A checkpoint with a chat template is judged on answers, which is what it was made to predict; one without on running text.
 */

import type { ScoreResult } from '../common/protocol/engine';
import type { ChatInput } from '../common/chat';
import { hashPromptIds } from './prompt';
import { evaluationDialogues, type EvaluationDialogue } from './text/evaluationDialogues';
import { evaluationText } from './text/evaluationText';
import type { BenchmarkCase, Quality } from './report/schema';

/** What a quality measurement asks of a loaded model. */
export interface ScoringEngine {
  tokenize(text: string, mode: 'special' | 'no-special'): Promise<readonly number[]>;
  renderChat(chat: ChatInput): Promise<{ readonly ids: readonly number[] }>;
  score(ids: readonly number[]): Promise<ScoreResult>;
  readonly hasChatTemplate: boolean;
}

/** Positions read in one go, the tokenizer's own prefix included: each window starts anew, as a short conversation would. */
export const scoreWindowTokens = 512;

export interface TextScores {
  readonly quality: Quality;
  /** The most probable token at every scored place. */
  readonly bestIds: readonly number[];
}

/** Answers where the checkpoint has a chat template, otherwise prose. @returns undefined when the texts have fewer than two tokens. */
export async function scoreBundledText(engine: ScoringEngine, contextTokens: number): Promise<TextScores | undefined> {
  return engine.hasChatTemplate ? scoreAnswers(engine, evaluationDialogues, contextTokens) : scoreProse(engine, evaluationText, Math.min(scoreWindowTokens, contextTokens));
}

/** Scores `text` window by window. The prefix that the tokenizer adds by itself precedes every window and is not scored. */
export async function scoreProse(engine: ScoringEngine, text: string, windowTokens: number): Promise<TextScores | undefined> {
  const prefix = await engine.tokenize('', 'special');
  const ids = await engine.tokenize(text, 'no-special');
  const step = windowTokens - prefix.length;
  const parts: ScoreResult[] = [];
  for (let at = 0; at < ids.length; at += step) {
    const window = [...prefix, ...ids.slice(at, at + step)];
    if (window.length > 1) {
      parts.push(scoresFrom(await engine.score(window), Math.max(1, prefix.length)));
    }
  }
  return combine('prose', parts, ids);
}

/** Scores each answer after its question, both in the checkpoint's own template; only the answer counts. Dialogues longer than the context are left out. */
export async function scoreAnswers(engine: ScoringEngine, dialogues: readonly EvaluationDialogue[], contextTokens: number): Promise<TextScores | undefined> {
  const parts: ScoreResult[] = [];
  const all: number[] = [];
  for (const { question, answer } of dialogues) {
    const asked = { role: 'user', content: question } as const;
    const { ids: prompt } = await engine.renderChat({ messages: [asked], addGenerationPrompt: true });
    const { ids } = await engine.renderChat({ messages: [asked, { role: 'assistant', content: answer }], addGenerationPrompt: false });
    const answerFrom = commonPrefix(prompt, ids);
    if (answerFrom >= 1 && answerFrom < ids.length && ids.length <= contextTokens) {
      parts.push(scoresFrom(await engine.score(ids), answerFrom));
      all.push(...ids);
    }
  }
  return combine('answers', parts, all);
}

/** Entry i judges id i + 1: what judges ids before `firstId` goes. */
function scoresFrom({ logProbs, bestIds }: ScoreResult, firstId: number): ScoreResult {
  return { logProbs: logProbs.slice(firstId - 1), bestIds: bestIds.slice(firstId - 1) };
}

function combine(text: Quality['text'], parts: readonly ScoreResult[], ids: readonly number[]): TextScores | undefined {
  const logProbs = parts.flatMap((part) => part.logProbs);
  if (logProbs.length === 0) {
    return undefined;
  }
  const perplexity = Math.exp(-logProbs.reduce((sum, each) => sum + each, 0) / logProbs.length);
  return { quality: { text, perplexity, scoredTokens: logProbs.length, textHash: hashPromptIds(ids) }, bestIds: parts.flatMap((part) => part.bestIds) };
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const end = a.findIndex((id, index) => id !== b[index]);
  return end < 0 ? a.length : end;
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
    const { text, perplexity, scoredTokens, perplexityRatio, tokenAgreement } = quality;
    const change = perplexityRatio === undefined ? '' : `, ${(Math.abs(perplexityRatio - 1) * 100).toFixed(2)} % ${perplexityRatio < 1 ? 'below' : 'above'} the first format's (lower is better)`;
    const agreement = tokenAgreement === undefined ? '' : `; the same token is most probable at ${(tokenAgreement * 100).toFixed(1)} % of the places`;
    return [`${weights}: perplexity ${perplexity.toPrecision(4)} over ${scoredTokens} tokens of the bundled ${text === 'answers' ? 'answers, in the chat template' : 'prose'}${change}${agreement}.`];
  });
}
