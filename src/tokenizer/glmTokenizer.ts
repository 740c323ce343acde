/** The tokenizer as the rest of the program sees it. Made by `createTokenizer`; pure: texts in, ids and texts out. */

import type { ChatInput } from '../common/chat';

/** Parsed config.json and generation_config.json, where the stop list and the pad token stand. */
export interface TokenizerContext {
  readonly configJson?: Readonly<Record<string, unknown>>;
  readonly generationConfigJson?: Readonly<Record<string, unknown>>;
}

/**
 * `special`: as the Python library encodes by default, with the prefix a post-processor adds.
 * `no-special`: without that prefix; special literals in the text still become special ids.
 * `plain`: special literals in the text stay text.
 */
export type EncodeMode = 'special' | 'no-special' | 'plain';

export interface DecodeOptions {
  /** Leaves out tokens marked special; added tokens without that mark (`<think>`) stay. */
  readonly skipSpecial: boolean;
}

export interface SpecialToken {
  readonly id: number;
  readonly content: string;
  /** Whether `skipSpecial` drops it. */
  readonly special: boolean;
}

/** Turns ids into text one at a time; characters appear only when complete. */
export interface StreamDecoder {
  /** The text that became certain through this id; may be empty. */
  push(id: number): string;
  /** Whatever is still held back; incomplete characters come out as U+FFFD. The decoder is then as new. */
  end(): string;
}

export interface RenderedChat {
  readonly text: string;
  readonly ids: Int32Array;
  /** The prompt ends inside an open `<think>`: the answer starts with thinking. */
  readonly promptOpensThink: boolean;
}

export interface GlmTokenizer {
  /** Highest id + 1 of the tokenizer; the model's vocabulary may be larger. */
  readonly vocabSize: number;
  /** False for a base checkpoint: it is offered plain completion only. */
  readonly hasChatTemplate: boolean;
  /** The template itself mentions `<think>`. */
  readonly thinks: boolean;
  readonly specialTokens: readonly SpecialToken[];
  /** generation_config's `eos_token_id`, else config's, else the tokenizer's `eos_token`; in that order of precedence. */
  readonly eosIds: readonly number[];
  encode(text: string, mode: EncodeMode): Int32Array;
  /** A lower bound for the number of tokens of `text`, found at once: refuses a pasted novel before it is encoded. */
  minTokens(text: string): number;
  decode(ids: ArrayLike<number>, options: DecodeOptions): string;
  streamDecoder(options: DecodeOptions): StreamDecoder;
  /**
   * Renders the checkpoint's chat template. Special literals inside message text stay text; the template's own markers become ids.
   * @throws {TemplateError} when the template throws; `no-chat-template` for a base checkpoint.
   */
  renderChat(chat: ChatInput): RenderedChat;
}
