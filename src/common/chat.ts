/** Conversation types, in the shape chat templates expect. */

export type ChatRole = 'system' | 'user' | 'assistant' | 'observation' | 'tool';

export interface ChatMessage {
  readonly role: ChatRole;
  readonly content: string;
  /** GLM's tool calls put the tool's name here. */
  readonly metadata?: string;
}

/** A tool in OpenAI's form; passed to the template as it is. */
export type ToolDefinition = Readonly<Record<string, unknown>>;

export interface ChatInput {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly ToolDefinition[];
  /** Extra variables for the template, such as `enable_thinking`. */
  readonly templateKwargs?: Readonly<Record<string, unknown>>;
  /** Default true. */
  readonly addGenerationPrompt?: boolean;
}

/**
 * An answer as a chat template wants it back in the history. GLM opens its turn with a line break, which its templates write themselves:
 * sent back as it came, it would stand there twice, and the cached keys and values of the answer could not be used again.
 */
export function answerForHistory(text: string): string {
  return text.startsWith('\n') ? text.slice(1) : text;
}

/** For an answer that arrives in pieces: gives each piece as it is in {@link answerForHistory} of the whole. */
export function createAnswerTrimmer(): (piece: string) => string {
  let isAtStart = true;
  return (piece) => {
    const trimmed = isAtStart ? answerForHistory(piece) : piece;
    isAtStart &&= piece === '';
    return trimmed;
  };
}
