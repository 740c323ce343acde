/**
 * The contract between the extension host and the chat view. The view asks (`requests`), the host answers and sends `events`.
 *
 * The host sends nothing before the view's `view-ready`, whose reply carries the whole state; after that, events keep it true.
 */

import type { AlignmentMessage } from '../alignment';
import type { DeviceMemoryUse, PlacementPlan } from '../placement';
import type { GenerationOptions, StopReason } from '../sampling';
import type { ContextLimit, LoadedModel, LoadProgress, ModelDescription } from './engine';
import type { DeviceDescription, TelemetrySample } from './monitor';
import type { SerializedError } from '../errors';

/** Numbers under an answer; undefined is shown as n/a. */
export interface AnswerFigures {
  readonly promptTokens: number;
  readonly reusedTokens: number;
  readonly generatedTokens: number;
  readonly ttftMs?: number;
  readonly decodeTokensPerSecond?: number;
  readonly prefillTokensPerSecond?: number;
  readonly stopReason: StopReason | 'error' | 'engine-lost';
}

export interface Attachment {
  readonly name: string;
  readonly languageId?: string;
  readonly text: string;
}

export interface ConversationTurn {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  /** Markdown as the model wrote it; for GLM-Z1 without its think part. */
  readonly text: string;
  readonly thinking?: string;
  readonly attachments?: readonly Attachment[];
  readonly figures?: AnswerFigures;
  readonly error?: SerializedError;
  readonly modelName?: string;
}

export interface Conversation {
  readonly id: string;
  readonly title: string;
  readonly turns: readonly ConversationTurn[];
  readonly updatedAtMs: number;
}

export type ModelState =
  | { readonly kind: 'none' }
  /** `plan` is the memory estimate the load started from. */
  | { readonly kind: 'loading'; readonly name: string; readonly progress?: LoadProgress; readonly plan?: PlacementPlan }
  /** `notRespondingForMs` is set while heartbeats are overdue; nothing is killed because of it. */
  | { readonly kind: 'ready'; readonly model: LoadedModel; readonly notRespondingForMs?: number }
  | { readonly kind: 'failed'; readonly name: string; readonly error: SerializedError }
  /** The engine process ended by itself; the conversation is kept. `restarting` while the host brings it back on its own. */
  | { readonly kind: 'lost'; readonly name: string; readonly error: SerializedError; readonly restarting?: boolean };

/** A generation under way. */
export interface GenerationState {
  readonly turnId: string;
  readonly prefillDoneTokens?: number;
  readonly prefillTotalTokens?: number;
  /** Set when the context cannot hold as many new tokens as were asked for. */
  readonly contextLimit?: Omit<ContextLimit, 'generationId'>;
}

export interface ChatSettings {
  readonly systemPrompt: string;
  readonly options: GenerationOptions;
  /** `chat` renders the template; `completion` continues the plain text, the only mode of a base checkpoint. */
  readonly mode: 'chat' | 'completion';
}

/**
 * Only what was edited: two edits may follow each other faster than the settings come back.
 * `null` clears an option, since undefined does not survive the way between view and host.
 */
export interface ChatSettingsChange {
  readonly systemPrompt?: string;
  readonly mode?: ChatSettings['mode'];
  readonly options?: { readonly [Key in keyof GenerationOptions]?: GenerationOptions[Key] | null };
}

export interface ModelChoice {
  readonly source: string;
  readonly label: string;
  readonly detail: string;
  readonly isDemo: boolean;
}

/** Everything the view shows. `conversation` holds the text so far of an answer under way; deltas sent afterwards append to it. */
export interface ViewState {
  readonly model: ModelState;
  readonly devices: readonly DeviceDescription[];
  readonly recentSamples: readonly TelemetrySample[];
  readonly engineMemory: readonly DeviceMemoryUse[];
  readonly conversation: Conversation;
  readonly history: readonly { readonly id: string; readonly title: string; readonly updatedAtMs: number }[];
  readonly generation?: GenerationState;
  readonly settings: ChatSettings;
  readonly alignmentMessages: readonly AlignmentMessage[];
  /** Prompt and answer tokens of the current conversation in the context. */
  readonly contextUsedTokens?: number;
  readonly attachments: readonly Attachment[];
  readonly choices: readonly ModelChoice[];
}

type Empty = Record<string, never>;

export type ChatViewContract = {
  requests: {
    'view-ready': { params: Empty; result: ViewState };
    /** Takes the host's attachments along. With no model loaded the host first loads the last one used, or the demo model, and then answers. */
    'prompt-send': { params: { readonly text: string }; result: Empty };
    'generation-stop': { params: Empty; result: Empty };
    'answer-regenerate': { params: { readonly turnId: string }; result: Empty };
    /** Replaces a question and drops what came after it. */
    'question-edit': { params: { readonly turnId: string; readonly text: string }; result: Empty };
    'turn-delete': { params: { readonly turnId: string }; result: Empty };
    'conversation-new': { params: Empty; result: Empty };
    'conversation-open': { params: { readonly id: string }; result: Empty };
    'conversation-rename': { params: { readonly id: string; readonly title: string }; result: Empty };
    'conversation-delete': { params: { readonly id: string }; result: Empty };
    'settings-change': { params: ChatSettingsChange; result: Empty };
    /** Without `attachment` the host asks for a file; with it, it keeps that text (a long paste). */
    'attachment-add': { params: { readonly attachment?: Attachment }; result: Empty };
    'attachment-remove': { params: { readonly name: string }; result: Empty };
    /** Loads `source`, or asks which model to load. */
    'model-choose': { params: { readonly source?: string }; result: Empty };
    'model-load-cancel': { params: Empty; result: Empty };
    /** Also restarts a lost engine and tries a failed load again. */
    'model-reload': { params: Empty; result: Empty };
    'model-unload': { params: Empty; result: Empty };
    'code-copy': { params: { readonly text: string }; result: Empty };
    'code-insert': { params: { readonly text: string }; result: Empty };
    'code-new-file': { params: { readonly text: string; readonly languageId?: string }; result: Empty };
    /** Only commands that an error's or message's `next` named; the host checks. */
    'next-step-run': { params: { readonly command?: string; readonly url?: string; readonly args?: readonly unknown[] }; result: Empty };
    'alignment-dismiss': { params: { readonly key: string }; result: Empty };
    'link-open': { params: { readonly url: string }; result: Empty };
  };
  events: {
    'model-state': ModelState;
    'devices': readonly DeviceDescription[];
    'telemetry-sample': TelemetrySample;
    'engine-memory': readonly DeviceMemoryUse[];
    /** Replaces the whole conversation, the text so far of an answer under way included. */
    'conversation': { readonly conversation: Conversation; readonly history: ViewState['history'] };
    /** Text to append to a turn; `thinking` belongs to the think part. */
    'answer-delta': { readonly turnId: string; readonly text: string; readonly thinking?: string; readonly generatedTokens: number; readonly tokensPerSecond?: number };
    'generation-state': GenerationState | undefined;
    'turn-finished': ConversationTurn;
    'settings': ChatSettings;
    'alignment-messages': readonly AlignmentMessage[];
    'context-used': { readonly tokens: number | undefined };
    'attachments': readonly Attachment[];
    'choices': readonly ModelChoice[];
    /** Moves focus to the composer, with text when given (`Ask GLM about Selection`). */
    'composer-focus': { readonly text?: string };
  };
};

export type { ModelDescription };
