/** What the chat view knows: the host's state and the little that the view itself derives from its events. */

import type { SerializedError } from '../../../src/common/errors';
import type { ChatViewContract, ConversationTurn, ViewState } from '../../../src/common/protocol/webview';

/** Numbers of the answer under way, from its latest delta. */
export interface LiveFigures {
  readonly turnId: string;
  readonly generatedTokens: number;
  readonly tokensPerSecond?: number;
}

/** A request of the view that the host refused or could not do. */
export interface RequestProblem {
  readonly method: keyof ChatViewContract['requests'];
  readonly error: SerializedError;
}

export interface ChatState extends ViewState {
  /** `connecting` until the host has answered `view-ready`. */
  readonly connection: 'connecting' | 'ready';
  readonly live?: LiveFigures;
  /** Decode speed over time, at most one value per {@link speedIntervalMs}; the newest last. */
  readonly speeds: readonly number[];
  readonly lastSpeedAtMs: number;
  readonly problem?: RequestProblem;
  /** The turn that ended last while the view was open, for screen readers. */
  readonly finishedTurn?: ConversationTurn;
}

type Events = ChatViewContract['events'];
export type HostEvent = { readonly [Name in keyof Events]: { readonly name: Name; readonly payload: Events[Name] } }[keyof Events];

export type ChatAction =
  | { readonly kind: 'connected'; readonly view: ViewState }
  /** `atMs` on any monotonic clock. */
  | { readonly kind: 'host-event'; readonly event: HostEvent; readonly atMs: number }
  | { readonly kind: 'request-failed'; readonly problem: RequestProblem }
  | { readonly kind: 'problem-dismissed' };

export const numSamplesKept = 120;
export const numSpeedsKept = 60;
export const speedIntervalMs = 250;

export const initialState: ChatState = {
  connection: 'connecting',
  model: { kind: 'none' },
  devices: [],
  recentSamples: [],
  engineMemory: [],
  conversation: { id: '', title: '', turns: [], updatedAtMs: 0 },
  history: [],
  settings: {
    systemPrompt: '',
    mode: 'chat',
    options: { doSample: true, temperature: 0.8, topK: 0, topP: 0.95, minP: 0, repetitionPenalty: 1, maxNewTokens: 1024, minNewTokens: 0, stopStrings: [], ignoreEos: false },
  },
  alignmentMessages: [],
  attachments: [],
  choices: [],
  speeds: [],
  lastSpeedAtMs: Number.NEGATIVE_INFINITY,
};
