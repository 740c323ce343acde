import { describe, expect, it } from 'vitest';
import { initialState } from '../../../../../webview/chat/state/chatState';
import { ChatStore } from '../../../../../webview/chat/state/chatStore';

function storeWithFrames(): { readonly store: ChatStore; readonly runFrame: () => void; readonly numAsked: () => number } {
  let asked: (() => void)[] = [];
  let numAsked = 0;
  const store = new ChatStore((callback) => {
    numAsked += 1;
    asked.push(callback);
  });
  return {
    store,
    numAsked: () => numAsked,
    runFrame: () => {
      const callbacks = asked;
      asked = [];
      callbacks.forEach((callback) => callback());
    },
  };
}

describe('ChatStore', () => {
  it('turns all deltas of a frame into one state, in order', () => {
    const { store, runFrame, numAsked } = storeWithFrames();
    const texts: (string | undefined)[] = [];
    store.subscribe((state) => texts.push(state.conversation.turns[0]?.text));
    for (const text of ['a', 'b', 'c']) {
      store.dispatch({ kind: 'host-event', event: { name: 'answer-delta', payload: { turnId: 'a1', text, generatedTokens: 1 } }, atMs: 0 });
    }
    expect(texts).toEqual([]);
    runFrame();
    expect(texts).toEqual(['abc']);
    expect(numAsked()).toBe(1);
    runFrame();
    expect(texts).toHaveLength(1);
  });

  it('asks for a new frame after one has run, and stops telling who no longer listens', () => {
    const { store, runFrame } = storeWithFrames();
    let numTold = 0;
    const end = store.subscribe(() => (numTold += 1));
    store.dispatch({ kind: 'connected', view: initialState });
    runFrame();
    end();
    store.dispatch({ kind: 'host-event', event: { name: 'context-used', payload: { tokens: 5 } }, atMs: 0 });
    runFrame();
    expect(numTold).toBe(1);
    expect(store.state.contextUsedTokens).toBe(5);
  });
});
