/** One pure step of the view's state. The host's events are taken in the order they were sent. */

import type { ChatViewContract, Conversation, ConversationTurn } from '../../../src/common/protocol/webview';
import { numSamplesKept, numSpeedsKept, speedIntervalMs, type ChatAction, type ChatState, type HostEvent } from './chatState';

export function reduceChat(state: ChatState, action: ChatAction): ChatState {
  switch (action.kind) {
    case 'connected':
      // Nothing the view derived survives a new connection: the host's state is the whole truth.
      return {
        ...action.view,
        recentSamples: action.view.recentSamples.slice(-numSamplesKept),
        connection: 'ready',
        speeds: state.speeds,
        lastSpeedAtMs: state.lastSpeedAtMs,
      };
    case 'host-event':
      return reduceEvent(state, action.event, action.atMs);
    case 'request-failed':
      return { ...state, problem: action.problem };
    case 'problem-dismissed':
      return { ...state, problem: undefined };
    default:
      return action satisfies never;
  }
}

function reduceEvent(state: ChatState, event: HostEvent, atMs: number): ChatState {
  switch (event.name) {
    case 'model-state':
      return { ...state, model: event.payload };
    case 'devices':
      return { ...state, devices: event.payload };
    case 'telemetry-sample':
      return { ...state, recentSamples: [...state.recentSamples, event.payload].slice(-numSamplesKept) };
    case 'engine-memory':
      return { ...state, engineMemory: event.payload };
    case 'conversation':
      return {
        ...state,
        ...event.payload,
        live: event.payload.conversation.turns.some((turn) => turn.id === state.live?.turnId) ? state.live : undefined,
        problem: event.payload.conversation.id === state.conversation.id ? state.problem : undefined,
      };
    case 'answer-delta':
      return appendDelta(state, event.payload, atMs);
    case 'generation-state':
      return { ...state, generation: event.payload, live: event.payload?.turnId === state.live?.turnId ? state.live : undefined };
    case 'turn-finished':
      return {
        ...state,
        conversation: withTurn(state.conversation, event.payload),
        live: state.live?.turnId === event.payload.id ? undefined : state.live,
        finishedTurn: event.payload.role === 'assistant' ? event.payload : state.finishedTurn,
      };
    case 'settings':
      return { ...state, settings: event.payload };
    case 'alignment-messages':
      return { ...state, alignmentMessages: event.payload };
    case 'context-used':
      return { ...state, contextUsedTokens: event.payload.tokens };
    case 'attachments':
      return { ...state, attachments: event.payload };
    case 'choices':
      return { ...state, choices: event.payload };
    case 'composer-focus':
      // Not state: the composer itself listens to this one.
      return state;
    default:
      return event satisfies never;
  }
}

function appendDelta(state: ChatState, delta: ChatViewContract['events']['answer-delta'], atMs: number): ChatState {
  const before = state.conversation.turns.find((turn) => turn.id === delta.turnId) ?? { id: delta.turnId, role: 'assistant', text: '' };
  const thinking = delta.thinking === undefined ? before.thinking : (before.thinking ?? '') + delta.thinking;
  const isSpeedDue = delta.tokensPerSecond !== undefined && atMs - state.lastSpeedAtMs >= speedIntervalMs;
  return {
    ...state,
    conversation: withTurn(state.conversation, { ...before, text: before.text + delta.text, thinking }),
    live: { turnId: delta.turnId, generatedTokens: delta.generatedTokens, tokensPerSecond: delta.tokensPerSecond ?? state.live?.tokensPerSecond },
    speeds: isSpeedDue ? [...state.speeds, delta.tokensPerSecond].slice(-numSpeedsKept) : state.speeds,
    lastSpeedAtMs: isSpeedDue ? atMs : state.lastSpeedAtMs,
  };
}

/** The conversation with `turn` in its place, or at the end when it is new. */
function withTurn(conversation: Conversation, turn: ConversationTurn): Conversation {
  const isKnown = conversation.turns.some((entry) => entry.id === turn.id);
  return { ...conversation, turns: isKnown ? conversation.turns.map((entry) => (entry.id === turn.id ? turn : entry)) : [...conversation.turns, turn] };
}
