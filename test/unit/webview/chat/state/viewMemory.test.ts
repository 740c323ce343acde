import { describe, expect, it } from 'vitest';
import { emptyMemory, parseViewMemory, ViewMemoryKeeper } from '../../../../../webview/chat/state/viewMemory';

describe('parseViewMemory', () => {
  it('reads back what was kept', () => {
    const memory = { draft: 'half a quest', panel: 'settings' as const, openDevices: ['cuda:0'], scroll: { conversationId: 'c1', turnId: 'a1', abovePx: 120 } };
    expect(parseViewMemory(JSON.parse(JSON.stringify(memory)))).toEqual(memory);
  });

  it.each([undefined, null, 7, 'x', { draft: 5, panel: 'other', openDevices: 'cuda:0', scroll: { conversationId: 1 } }, { scroll: { conversationId: 'c', turnId: 'a', abovePx: Number.NaN } }])('falls back to defaults for %j', (value) => {
    expect(parseViewMemory(value)).toEqual({ ...emptyMemory, panel: undefined, scroll: undefined });
  });
});

describe('ViewMemoryKeeper', () => {
  it('writes each change at once and starts from what was written', () => {
    let kept: unknown;
    const keeper = { getState: () => kept, setState: (state: unknown) => (kept = state) };
    new ViewMemoryKeeper(keeper).remember({ draft: 'abc', panel: 'history' });
    expect(new ViewMemoryKeeper(keeper).memory).toMatchObject({ draft: 'abc', panel: 'history' });
    new ViewMemoryKeeper(keeper).remember({ panel: undefined });
    expect(new ViewMemoryKeeper(keeper).memory).toMatchObject({ draft: 'abc', panel: undefined });
  });
});
