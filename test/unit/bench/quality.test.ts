import { describe, expect, it } from 'vitest';
import { againstReference, scoreAnswers, scoreProse, type ScoringEngine } from '../../../src/bench/quality';
import type { ScoreResult } from '../../../src/common/protocol/engine';

/** Ids are character codes; the tokenizer's prefix is [1, 2]; a chat is `U question A answer`. Each id is judged by `judge(id)`. */
function engineOf(judge: (id: number) => number): ScoringEngine & { readonly windows: (readonly number[])[] } {
  const windows: (readonly number[])[] = [];
  const codes = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);
  return {
    windows,
    hasChatTemplate: true,
    tokenize: (text, mode) => Promise.resolve(mode === 'special' ? [1, 2, ...codes(text)] : codes(text)),
    renderChat: ({ messages, addGenerationPrompt }) => Promise.resolve({ ids: [...messages.flatMap(({ role, content }) => [role === 'user' ? 3 : 4, ...codes(content ?? '')]), ...(addGenerationPrompt === false ? [] : [4])] }),
    score: (ids): Promise<ScoreResult> => {
      windows.push(ids);
      return Promise.resolve({ logProbs: ids.slice(1).map(judge), bestIds: ids.slice(1) });
    },
  };
}

describe('scoreProse', () => {
  it('begins every window with the tokenizer’s prefix and judges only the text', async () => {
    const engine = engineOf((id) => (id <= 2 ? -99 : Math.log(0.5)));
    const scores = await scoreProse(engine, 'abcde', 5);
    expect(engine.windows).toEqual([[1, 2, 97, 98, 99], [1, 2, 100, 101]]);
    expect(scores?.quality.scoredTokens).toBe(5);
    expect(scores?.quality.perplexity).toBeCloseTo(2, 9);
  });

  it('answers undefined where there is nothing to judge', async () => {
    expect(await scoreProse(engineOf(() => 0), '', 8)).toBeUndefined();
  });
});

describe('scoreAnswers', () => {
  it('judges the answer, not the question, and leaves out what exceeds the context', async () => {
    const engine = engineOf((id) => (id < 65 || id > 90 ? -99 : Math.log(0.25)));
    const scores = await scoreAnswers(engine, [{ question: 'why', answer: 'SO' }, { question: 'and a very long question', answer: 'NO' }], 12);
    expect(engine.windows).toHaveLength(1);
    expect(scores?.quality).toMatchObject({ text: 'answers', scoredTokens: 2 });
    expect(scores?.quality.perplexity).toBeCloseTo(4, 9);
  });
});

describe('againstReference', () => {
  it('compares only scores of the same ids', async () => {
    const reference = await scoreProse(engineOf(() => Math.log(0.5)), 'abcd', 8);
    const coarse = await scoreProse(engineOf(() => Math.log(0.4)), 'abcd', 8);
    const other = await scoreProse(engineOf(() => Math.log(0.4)), 'abce', 8);
    if (reference === undefined || coarse === undefined || other === undefined) {
      throw new Error('nothing was scored');
    }
    const flipped = { ...coarse, bestIds: coarse.bestIds.map((id, index) => (index === 0 ? id + 1 : id)) };
    expect(againstReference(flipped, reference)).toMatchObject({ tokenAgreement: 0.75 });
    expect(againstReference(flipped, reference).perplexityRatio).toBeCloseTo(1.25, 9);
    expect(againstReference(reference, reference)).not.toHaveProperty('tokenAgreement');
    expect(againstReference(other, reference)).not.toHaveProperty('perplexityRatio');
  });
});
