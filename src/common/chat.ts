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
