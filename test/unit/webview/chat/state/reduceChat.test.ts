import { describe, expect, it } from 'vitest';
import type { ConversationTurn, ViewState } from '../../../../../src/common/protocol/webview';
import { initialState, numSamplesKept, numSpeedsKept, speedIntervalMs, type ChatState, type HostEvent } from '../../../../../webview/chat/state/chatState';
import { reduceChat } from '../../../../../webview/chat/state/reduceChat';

const question: ConversationTurn = { id: 'q1', role: 'user', text: 'Hi' };
const partial: ConversationTurn = { id: 'a1', role: 'assistant', text: 'He' };
const view: ViewState = { ...initialState, conversation: { id: 'c1', title: '', turns: [question, partial], updatedAtMs: 1 }, generation: { turnId: 'a1' } };
const connected = reduceChat(initialState, { kind: 'connected', view });

function after(state: ChatState, ...events: readonly HostEvent[]): ChatState {
  return events.reduce((current, event, index) => reduceChat(current, { kind: 'host-event', event, atMs: index * speedIntervalMs }), state);
}

const delta = (text: string, more: { readonly thinking?: string; readonly tokensPerSecond?: number; readonly turnId?: string } = {}): HostEvent => ({
  name: 'answer-delta',
  payload: { turnId: more.turnId ?? 'a1', text, thinking: more.thinking, generatedTokens: text.length, tokensPerSecond: more.tokensPerSecond },
});

describe('reduceChat', () => {
  it('takes the whole host state when the connection is made, the partial answer included', () => {
    expect(connected.connection).toBe('ready');
    expect(connected.conversation.turns).toEqual([question, partial]);
    expect(connected.generation).toEqual({ turnId: 'a1' });
  });

  it('appends deltas to the text that came with the connection', () => {
    const state = after(connected, delta('llo', { tokensPerSecond: 140 }), delta('!', { tokensPerSecond: 150 }));
    expect(state.conversation.turns[1]?.text).toBe('Hello!');
    expect(state.live).toEqual({ turnId: 'a1', generatedTokens: 1, tokensPerSecond: 150 });
    expect(state.speeds).toEqual([140, 150]);
  });

  it('leaves turns that do not change the same objects, so that they are not rendered again', () => {
    const state = after(connected, delta('llo'));
    expect(state.conversation.turns[0]).toBe(question);
  });

  it('keeps the think part apart from the answer', () => {
    const state = after(connected, delta('', { thinking: 'Let me ' }), delta('', { thinking: 'see.' }), delta('llo'));
    expect(state.conversation.turns[1]).toMatchObject({ text: 'Hello', thinking: 'Let me see.' });
  });

  it('makes a turn for a delta whose turn it has not been told about', () => {
    const state = after(connected, delta('New', { turnId: 'a9' }));
    expect(state.conversation.turns.at(-1)).toEqual({ id: 'a9', role: 'assistant', text: 'New', thinking: undefined });
  });

  it('takes the finished turn as the truth and forgets the live figures', () => {
    const finished: ConversationTurn = { ...partial, text: 'Hello.', figures: { promptTokens: 3, reusedTokens: 0, generatedTokens: 2, stopReason: 'eos' } };
    const state = after(connected, delta('llo'), { name: 'turn-finished', payload: finished }, { name: 'generation-state', payload: undefined });
    expect(state.conversation.turns[1]).toBe(finished);
    expect(state.live).toBeUndefined();
    expect(state.generation).toBeUndefined();
    expect(state.finishedTurn).toBe(finished);
  });

  it('replaces the conversation and drops live figures of a turn that is gone', () => {
    const state = after(connected, delta('llo'), { name: 'conversation', payload: { conversation: { id: 'c2', title: 'Other', turns: [], updatedAtMs: 2 }, history: [{ id: 'c1', title: 'Old', updatedAtMs: 1 }] } });
    expect(state.conversation.id).toBe('c2');
    expect(state.history).toHaveLength(1);
    expect(state.live).toBeUndefined();
  });

  it('keeps at most so many samples and speeds', () => {
    let state = connected;
    for (let index = 0; index < numSamplesKept + 5; index += 1) {
      state = reduceChat(state, { kind: 'host-event', event: { name: 'telemetry-sample', payload: { timeMs: index, devices: [] } }, atMs: index });
    }
    expect(state.recentSamples).toHaveLength(numSamplesKept);
    expect(state.recentSamples.at(-1)?.timeMs).toBe(numSamplesKept + 4);
    for (let index = 0; index < numSpeedsKept + 5; index += 1) {
      state = reduceChat(state, { kind: 'host-event', event: delta('x', { tokensPerSecond: index }), atMs: 1e6 + index * speedIntervalMs });
    }
    expect(state.speeds).toHaveLength(numSpeedsKept);
    expect(state.speeds.at(-1)).toBe(numSpeedsKept + 4);
  });

  it('takes one speed per interval, however many deltas come', () => {
    const events = Array.from({ length: 20 }, () => delta('x', { tokensPerSecond: 500 }));
    const state = events.reduce((current, event, index) => reduceChat(current, { kind: 'host-event', event, atMs: index * 16 }), connected);
    expect(state.speeds).toHaveLength(2);
  });

  it('shows a failed request until it is dismissed or another conversation is opened', () => {
    const error = { code: 'x', name: 'X', message: 'No.', fields: {}, next: [] };
    const failed = reduceChat(connected, { kind: 'request-failed', problem: { method: 'prompt-send', error } });
    expect(failed.problem?.error.message).toBe('No.');
    expect(reduceChat(failed, { kind: 'problem-dismissed' }).problem).toBeUndefined();
    expect(after(failed, { name: 'conversation', payload: { conversation: { id: 'c2', title: '', turns: [], updatedAtMs: 0 }, history: [] } }).problem).toBeUndefined();
    expect(after(failed, { name: 'conversation', payload: { conversation: failed.conversation, history: [] } }).problem).toBeDefined();
  });

  it('forgets what it derived when the host answers view-ready again', () => {
    const state = reduceChat(after(connected, delta('llo')), { kind: 'connected', view });
    expect(state.live).toBeUndefined();
    expect(state.conversation.turns[1]?.text).toBe('He');
  });

  it('takes each other event into its place', () => {
    const error = { code: 'x', name: 'X', message: 'No.', fields: {}, next: [] };
    const state = after(
      connected,
      { name: 'model-state', payload: { kind: 'failed', name: 'm', error } },
      { name: 'devices', payload: [{ id: 'cpu' as never, kind: 'cpu', name: 'CPU', source: 'os', notes: [] }] },
      { name: 'engine-memory', payload: [{ device: 'cpu' as never, weightBytes: 1, kvBytes: 2, stagingBytes: 3 }] },
      { name: 'context-used', payload: { tokens: 7 } },
      { name: 'attachments', payload: [{ name: 'a', text: 'b' }] },
      { name: 'choices', payload: [{ source: 's', label: 'l', detail: 'd', isDemo: true }] },
      { name: 'alignment-messages', payload: [{ kind: 'stage-on-cpu', key: 'k', message: 'm', state: 'found', next: [] }] },
      { name: 'settings', payload: { ...initialState.settings, systemPrompt: 'Be brief' } },
    );
    expect(state.model.kind).toBe('failed');
    expect(state.devices).toHaveLength(1);
    expect(state.engineMemory[0]?.kvBytes).toBe(2);
    expect(state.contextUsedTokens).toBe(7);
    expect(state.attachments[0]?.name).toBe('a');
    expect(state.choices[0]?.isDemo).toBe(true);
    expect(state.alignmentMessages[0]?.key).toBe('k');
    expect(state.settings.systemPrompt).toBe('Be brief');
  });
});
