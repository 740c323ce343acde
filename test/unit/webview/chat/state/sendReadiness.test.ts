import { describe, expect, it } from 'vitest';
import { initialState, type ChatState } from '../../../../../webview/chat/state/chatState';
import { readinessToSend } from '../../../../../webview/chat/state/sendReadiness';

const error = { code: 'x', name: 'X', message: 'No.', fields: {}, next: [] };
const state = (change: Partial<ChatState>): ChatState => ({ ...initialState, connection: 'ready', ...change });

describe('readinessToSend', () => {
  it('sends nothing before the host has answered', () => {
    expect(readinessToSend(initialState).canSend).toBe(false);
  });

  it('lets a first question through with no model loaded and says what will be loaded', () => {
    const demo = { source: 's', label: 'GLM demo', detail: '', isDemo: true };
    expect(readinessToSend(state({ choices: [demo] }))).toEqual({ canSend: true, reason: 'Sending loads GLM demo first.' });
  });

  it('explains each reason and names a way out', () => {
    expect(readinessToSend(state({ model: { kind: 'loading', name: 'GLM-4' } }))).toMatchObject({ canSend: false, reason: 'GLM-4 is still loading.' });
    expect(readinessToSend(state({ model: { kind: 'failed', name: 'GLM-4', error } })).action?.request).toBe('model-choose');
    expect(readinessToSend(state({ model: { kind: 'lost', name: 'GLM-4', error } })).action?.request).toBe('model-reload');
    expect(readinessToSend(state({ model: { kind: 'lost', name: 'GLM-4', error, restarting: true } })).action).toBeUndefined();
    expect(readinessToSend(state({ generation: { turnId: 'a' } })).canSend).toBe(false);
  });
});
