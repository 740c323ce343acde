/** One answer from question to last token: asks the model, splits thinking from text, counts. Knows neither the conversation's keeping nor 'vscode'. */

import { isGlmError, serializeError } from '../../common/errors';
import type { ContextLimit, GenerateParams, GenerateResult, LoadedModel, PrefillProgress, TokenDelta } from '../../common/protocol/engine';
import type { AnswerFigures, ChatSettings, ConversationTurn, GenerationState } from '../../common/protocol/webview';
import { ThinkSplitter } from '../../common/thinkSplit';
import { buildPrompt } from './buildPrompt';

export interface ChatListener {
  readonly onDelta: (delta: TokenDelta) => void;
  readonly onPrefill: (progress: PrefillProgress) => void;
  readonly onContextLimit?: (limit: ContextLimit) => void;
}

/** The model as an answer needs it. */
export interface AnsweringModel {
  /** Waits for a load under way, or loads what was last or is set; rejects when that fails. */
  ensureReady(signal: AbortSignal): Promise<LoadedModel>;
  generate(params: GenerateParams, listener: ChatListener, signal: AbortSignal): Promise<GenerateResult>;
}

export interface AnswerDelta {
  readonly turnId: string;
  readonly text: string;
  readonly thinking?: string;
  readonly generatedTokens: number;
  readonly tokensPerSecond?: number;
}

export interface AnswerRequest {
  /** The answer's own turn, empty so far. */
  readonly turn: ConversationTurn;
  /** Everything before it. */
  readonly asked: readonly ConversationTurn[];
  readonly conversationKey: string;
  readonly readSettings: () => ChatSettings;
}

export interface AnswerEvents {
  /** The turn has grown by `delta`. */
  readonly onDelta: (turn: ConversationTurn, delta: AnswerDelta) => void;
  /** What changed of the generation's state. */
  readonly onState: (change: Partial<GenerationState>) => void;
  /** Context that prompt and answer take so far. */
  readonly onUsed: (tokens: number) => void;
}

/** @returns the whole turn with its figures, also after a cancel or a failure, which is in the turn then. */
export async function writeAnswer(model: AnsweringModel, { turn: empty, asked, conversationKey, readSettings }: AnswerRequest, events: AnswerEvents, signal: AbortSignal): Promise<ConversationTurn> {
  let turn = empty;
  let generatedTokens = 0;
  let promptTokens = 0;
  let firstAt: { readonly tokens: number; readonly elapsedMs: number } | undefined;
  let splitter = new ThinkSplitter(false);
  const add = ({ text, thinking }: { readonly text: string; readonly thinking: string }, tokensPerSecond?: number): void => {
    if (text !== '' || thinking !== '') {
      turn = { ...turn, text: turn.text + text, ...(thinking === '' ? {} : { thinking: (turn.thinking ?? '') + thinking }) };
    }
    events.onDelta(turn, { turnId: turn.id, text, ...(thinking === '' ? {} : { thinking }), generatedTokens, tokensPerSecond });
  };
  try {
    const loaded = await model.ensureReady(signal);
    const settings = effectiveSettings(readSettings(), loaded);
    const splits = loaded.description.thinks && settings.mode === 'chat';
    splitter = new ThinkSplitter(splits);
    turn = { ...turn, modelName: loaded.description.name };
    const result = await model.generate(
      { generationId: turn.id, prompt: buildPrompt(asked, settings), options: settings.options, conversationKey },
      {
        onPrefill: ({ doneTokens, totalTokens }) => {
          promptTokens = totalTokens;
          events.onState({ prefillDoneTokens: doneTokens, prefillTotalTokens: totalTokens });
        },
        onContextLimit: (contextLimit) => events.onState({ contextLimit }),
        onDelta: (delta) => {
          generatedTokens = delta.generatedTokens;
          firstAt ??= { tokens: delta.generatedTokens, elapsedMs: delta.elapsedMs };
          const sinceFirstMs = delta.elapsedMs - firstAt.elapsedMs;
          add(splits ? splitter.push(delta.text) : { text: delta.text, thinking: '' }, sinceFirstMs > 0 ? ((delta.generatedTokens - firstAt.tokens) / sinceFirstMs) * 1000 : undefined);
          if (promptTokens > 0) {
            events.onUsed(promptTokens + generatedTokens);
          }
        },
      },
      signal,
    );
    if (splits) {
      const rest = splitter.end(result.stopReason === 'eos' || result.stopReason === 'stop-string');
      add(rest);
      if (rest.answerWasThinking) {
        turn = { ...turn, text: turn.thinking ?? '', thinking: undefined };
      }
    }
    return { ...turn, figures: figuresOf(result) };
  } catch (error) {
    if (signal.aborted) {
      return { ...turn, figures: { promptTokens, reusedTokens: 0, generatedTokens, stopReason: 'cancelled' } };
    }
    add(splitter.end(false));
    const stopReason = isGlmError(error) && error.code === 'engine-lost' ? 'engine-lost' : 'error';
    return { ...turn, figures: { promptTokens, reusedTokens: 0, generatedTokens, stopReason }, error: withoutStack(error) };
  }
}

/** A base checkpoint has no template, so it can only continue text. */
function effectiveSettings(settings: ChatSettings, model: LoadedModel): ChatSettings {
  return model.description.hasChatTemplate ? settings : { ...settings, mode: 'completion' };
}

function figuresOf(result: GenerateResult): AnswerFigures {
  return {
    promptTokens: result.promptTokens,
    reusedTokens: result.reusedTokens,
    generatedTokens: result.ids.length,
    ttftMs: result.ttftMs,
    decodeTokensPerSecond: result.decodeTokensPerSecond,
    prefillTokensPerSecond: result.prefillTokensPerSecond,
    stopReason: result.stopReason,
  };
}

/** Stacks are for the log; a conversation is shown and kept. */
function withoutStack(error: unknown): ConversationTurn['error'] {
  const data = serializeError(error);
  return { ...data, stack: undefined, cause: undefined };
}
