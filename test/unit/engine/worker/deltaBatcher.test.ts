import { describe, expect, it } from 'vitest';
import type { TokenDelta } from '../../../../src/common/protocol/engine';
import { DeltaBatcher } from '../../../../src/engine/worker/deltaBatcher';
import { FakeClock } from '../../../fakes/fakeClock';

function make() {
  const clock = new FakeClock();
  const sent: { readonly timeMs: number; readonly delta: TokenDelta }[] = [];
  const batcher = new DeltaBatcher('g', (delta) => sent.push({ timeMs: clock.nowMs(), delta }), clock);
  let count = 0;
  const push = (text: string): void => {
    count += 1;
    batcher.push({ text, ids: [count], generatedTokens: count, elapsedMs: clock.nowMs() });
  };
  return { clock, sent, batcher, push };
}

describe('DeltaBatcher', () => {
  it('sends the first token at once', () => {
    const { sent, push } = make();
    push('a');
    expect(sent).toEqual([{ timeMs: 0, delta: { generationId: 'g', text: 'a', ids: [1], generatedTokens: 1, elapsedMs: 0 } }]);
  });

  it('gathers what follows within 16 ms', () => {
    const { clock, sent, push } = make();
    for (const text of 'abcdefgh') {
      push(text);
      clock.advance(5);
    }
    clock.advance(20);
    expect(sent.map(({ timeMs, delta }) => [timeMs, delta.text])).toEqual([
      [0, 'a'],
      [16, 'bcd'],
      [32, 'efg'],
      [48, 'h'],
    ]);
    expect(sent.flatMap(({ delta }) => delta.ids)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(sent[1]?.delta).toMatchObject({ generatedTokens: 4, elapsedMs: 15 });
  });

  it('sends the rest at the end, once', () => {
    const { clock, sent, batcher, push } = make();
    push('a');
    push('b');
    batcher.flush();
    batcher.flush();
    clock.advance(100);
    expect(sent.map(({ delta }) => delta.text)).toEqual(['a', 'b']);
    expect(clock.pendingTimers).toBe(0);
  });
});
