/**
 * A conversation at the terminal: one line is one question, lines that begin with `/` are orders.
 * Reads lines from anywhere and knows nothing of a terminal's keys; see commands/chat.ts for those.
 */

import { answerForHistory, createAnswerTrimmer, type ChatMessage } from '../common/chat';
import { isGlmError } from '../common/errors';
import type { LoadedModel, PromptInput } from '../common/protocol/engine';
import type { GenerationOptions } from '../common/sampling';
import type { EngineClient } from '../engine/client/startEngine';
import { describeContextLimit, describeFigures } from './generationText';
import type { Output } from './output';

export const chatHelp = `/new        start over
/stop       end the answer under way (so does Ctrl-C)
/system T   set the system prompt to T and start over; without T show it
/exit       leave (so does Ctrl-D)`;

export interface ChatLoopOptions {
  readonly engine: Pick<EngineClient, 'generate' | 'request'>;
  readonly model: LoadedModel;
  readonly options: GenerationOptions;
  readonly systemPrompt?: string;
  readonly templateKwargs?: Readonly<Record<string, unknown>>;
  readonly output: Output;
}

export class ChatLoop {
  private messages: ChatMessage[] = [];
  private systemPrompt: string | undefined;
  private answering: AbortController | undefined;
  private conversation = 0;
  private nextGeneration = 0;

  constructor(private readonly setup: ChatLoopOptions) {
    this.systemPrompt = setup.systemPrompt;
  }

  get isAnswering(): boolean {
    return this.answering !== undefined;
  }

  /** Ends the answer under way; what was written of it stays in the conversation. */
  stop(): void {
    this.answering?.abort();
  }

  /** Handles one line. Resolves to false when the conversation is to end. @throws {GlmError} when the engine is lost. */
  async take(line: string): Promise<boolean> {
    const text = line.trim();
    if (text === '') {
      return true;
    }
    if (!text.startsWith('/')) {
      await this.ask(text);
      return true;
    }
    const { output } = this.setup;
    const [order, ...words] = text.split(/\s+/);
    switch (order) {
      case '/new':
        await this.startOver();
        output.note('New conversation.');
        return true;
      case '/stop':
        if (!this.isAnswering) {
          output.note('No answer is under way.');
        }
        this.stop();
        return true;
      case '/system':
        if (words.length === 0) {
          output.note(this.systemPrompt ?? 'No system prompt is set.');
        } else {
          this.systemPrompt = words.join(' ');
          await this.startOver();
          output.note('System prompt set; new conversation.');
        }
        return true;
      case '/exit':
      case '/quit':
        return false;
      case '/help':
        output.note(chatHelp);
        return true;
      default:
        output.note(`There is no ${order}. These exist:\n${chatHelp}`);
        return true;
    }
  }

  private async startOver(): Promise<void> {
    const conversationKey = this.conversationKey;
    this.messages = [];
    this.conversation += 1;
    await this.setup.engine.request('conversation-forget', { conversationKey });
  }

  private get conversationKey(): string {
    return `chat-${this.conversation}`;
  }

  private async ask(question: string): Promise<void> {
    const { engine, output, options } = this.setup;
    const messages: ChatMessage[] = [...this.messages, { role: 'user', content: question }];
    const controller = new AbortController();
    this.answering = controller;
    const trim = createAnswerTrimmer();
    try {
      const result = await engine.generate(
        { generationId: `chat-${this.nextGeneration++}`, prompt: this.toPrompt(messages, question), options, conversationKey: this.conversationKey },
        {
          onDelta: ({ text }) => output.stream(trim(text)),
          onContextLimit: (limit) => output.note(describeContextLimit(limit)),
          onPrefill: ({ doneTokens, totalTokens }) => output.status(doneTokens < totalTokens ? `prefill ${doneTokens} of ${totalTokens} tokens` : ''),
        },
        controller.signal,
      );
      this.messages = [...messages, { role: 'assistant', content: answerForHistory(result.text) }];
      output.stream('\n');
      output.note(describeFigures(result));
      if (result.stopReason === 'context') {
        output.note('The context is full: the answer was cut. /new starts over.');
      }
    } catch (error) {
      // A question that cannot be answered is not kept; a lost engine ends the conversation.
      if (!isGlmError(error) || error.code === 'engine-lost') {
        throw error;
      }
      output.failure(error);
    } finally {
      this.answering = undefined;
    }
  }

  /** A base checkpoint has no template: the question is continued as plain text. */
  private toPrompt(messages: readonly ChatMessage[], question: string): PromptInput {
    if (!this.setup.model.description.hasChatTemplate) {
      return { kind: 'text', text: question };
    }
    const system: ChatMessage[] = this.systemPrompt === undefined ? [] : [{ role: 'system', content: this.systemPrompt }];
    return { kind: 'chat', chat: { messages: [...system, ...messages], templateKwargs: this.setup.templateKwargs } };
  }
}
