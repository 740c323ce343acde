/**
 * The conversation that a window shows, and the answer under way in it. Knows neither 'vscode' nor processes.
 *
 * The text of an answer is saved while it streams, so that a reload or a lost engine costs the rest of one answer, never what was read.
 */

import { formatBytes } from '../../common/byteFormat';
import { GlmError } from '../../common/errors';
import type { Log } from '../../common/log';
import type { Attachment, ChatSettings, Conversation, ConversationTurn, GenerationState, ViewState } from '../../common/protocol/webview';
import { Emitter } from '../emitter';
import { addAttachment } from './attachments';
import { appendTurn, contextTokensOf, cutBefore, newConversation, removeTurn, rename, replaceTurn } from './conversationEdits';
import { largestConversationBytes, type ConversationStore } from './conversationStore';
import type { OpenConversation } from './openConversation';
import { writeAnswer, type AnswerDelta, type AnsweringModel } from './writeAnswer';

/** The model as the chat needs it. */
export interface ChatModel extends AnsweringModel {
  /** Frees the keys and values of a conversation; harmless when no model is loaded. */
  forget(conversationKey: string): void;
}

export interface ChatSessionOptions {
  readonly store: ConversationStore;
  readonly model: ChatModel;
  readonly log: Log;
  readonly readSettings: () => ChatSettings;
  readonly maxConversations: () => number;
  /** The conversation to come back to after a reload. */
  readonly opened: Pick<OpenConversation, 'read' | 'remember' | 'flush'>;
  readonly nowMs?: () => number;
  readonly newId: () => string;
}

interface RunningAnswer {
  readonly controller: AbortController;
  readonly done: Promise<void>;
  state: GenerationState;
  turn: ConversationTurn;
}

/** How often a streaming answer is written to disk. */
const saveEveryMs = 1000;

export class ChatSession {
  readonly onConversation = new Emitter<{ readonly conversation: Conversation; readonly history: ViewState['history'] }>();
  readonly onDelta = new Emitter<AnswerDelta>();
  readonly onGeneration = new Emitter<GenerationState | undefined>();
  readonly onTurnFinished = new Emitter<ConversationTurn>();
  readonly onAttachments = new Emitter<readonly Attachment[]>();
  readonly onContextUsed = new Emitter<number | undefined>();

  private current: Conversation;
  private running: RunningAnswer | undefined;
  private pending: readonly Attachment[] = [];
  private used: number | undefined;
  private summaries: ViewState['history'] = [];
  private readonly nowMs: () => number;

  constructor(private readonly options: ChatSessionOptions) {
    this.nowMs = options.nowMs ?? Date.now;
    this.current = newConversation(options.newId(), this.nowMs());
  }

  /** With the answer so far of a generation under way. */
  get conversation(): Conversation {
    return this.running === undefined ? this.current : replaceTurn(this.current, this.running.turn, this.current.updatedAtMs);
  }

  get generation(): GenerationState | undefined {
    return this.running?.state;
  }

  get attachments(): readonly Attachment[] {
    return this.pending;
  }

  get history(): ViewState['history'] {
    return this.summaries;
  }

  get contextUsedTokens(): number | undefined {
    return this.used;
  }

  /** Opens what was open before a reload, when it is still there, and reads the list of conversations. */
  async restore(): Promise<void> {
    const openId = await this.options.opened.read();
    const restored = openId === undefined ? undefined : await this.options.store.read(openId);
    if (restored !== undefined && this.current.turns.length === 0 && this.running === undefined) {
      this.show(restored);
    }
    await this.refreshHistory();
  }

  /** Asks; returns when the answer has begun to be made, not when it is there. @throws {GlmError} `answer-in-progress` | `conversation-too-large`. */
  send(text: string): void {
    this.assertIdle();
    if (text.trim() === '' && this.pending.length === 0) {
      return;
    }
    const turn: ConversationTurn = { id: this.options.newId(), role: 'user', text, ...(this.pending.length === 0 ? {} : { attachments: this.pending }) };
    this.assertRoomFor(turn);
    this.setAttachments([]);
    this.current = appendTurn(this.current, turn, this.nowMs());
    this.answer();
  }

  /** Makes the answer anew; what came after it goes. */
  regenerate(turnId: string): void {
    this.assertIdle();
    if (this.find(turnId).role === 'assistant') {
      this.current = cutBefore(this.current, turnId, this.nowMs());
      this.answer();
    }
  }

  /** Replaces a question, drops what came after it, and answers. */
  editQuestion(turnId: string, text: string): void {
    this.assertIdle();
    const turn = this.find(turnId);
    if (turn.role === 'user') {
      const edited = { ...turn, text };
      this.assertRoomFor(edited);
      this.current = appendTurn(cutBefore(this.current, turnId, this.nowMs()), edited, this.nowMs());
      this.answer();
    }
  }

  async deleteTurn(turnId: string): Promise<void> {
    this.assertIdle();
    this.current = removeTurn(this.current, turnId, this.nowMs());
    this.setUsed(undefined);
    await this.save();
    this.announce();
  }

  /** Stops the answer under way and settles when it has ended. Its text stays. */
  async stop(): Promise<void> {
    this.running?.controller.abort();
    await this.running?.done;
  }

  async newChat(): Promise<void> {
    await this.stop();
    this.show(newConversation(this.options.newId(), this.nowMs()));
    await this.refreshHistory();
  }

  async open(id: string): Promise<void> {
    if (id === this.current.id) {
      return;
    }
    await this.stop();
    const conversation = await this.options.store.read(id);
    if (conversation === undefined) {
      await this.refreshHistory();
      throw new GlmError('conversation-not-found', 'That conversation is no longer there. Another window may have removed it.');
    }
    this.show(conversation);
  }

  async rename(id: string, title: string): Promise<void> {
    if (id === this.current.id) {
      this.current = rename(this.current, title, this.nowMs());
      await this.save();
    } else {
      const other = await this.options.store.read(id);
      if (other !== undefined) {
        await this.options.store.save(rename(other, title, other.updatedAtMs));
      }
    }
    await this.refreshHistory();
  }

  async remove(id: string): Promise<void> {
    if (id === this.current.id) {
      await this.stop();
      this.show(newConversation(this.options.newId(), this.nowMs()));
    }
    await this.options.store.remove(id);
    this.options.model.forget(id);
    await this.refreshHistory();
  }

  /** @throws {GlmError} when the attachment is too large. */
  attach(attachment: Attachment): void {
    this.setAttachments(addAttachment(this.pending, attachment));
  }

  detach(name: string): void {
    this.setAttachments(this.pending.filter((attachment) => attachment.name !== name));
  }

  /** Ends the answer under way and waits until everything is on disk. */
  async dispose(): Promise<void> {
    await this.stop();
    await Promise.all([this.options.store.flush(), this.options.opened.flush()]);
  }

  private answer(): void {
    const turn: ConversationTurn = { id: this.options.newId(), role: 'assistant', text: '' };
    const asked = this.current.turns;
    this.current = appendTurn(this.current, turn, this.nowMs());
    const controller = new AbortController();
    let resolveDone: () => void = () => undefined;
    const running: RunningAnswer = { controller, done: new Promise((resolve) => (resolveDone = resolve)), state: { turnId: turn.id }, turn };
    this.running = running;
    this.announce();
    this.onGeneration.fire(running.state);
    void this.generate(running, asked).finally(resolveDone);
    void this.persist();
  }

  private async generate(running: RunningAnswer, asked: readonly ConversationTurn[]): Promise<void> {
    let savedAtMs = this.nowMs();
    const turn = await writeAnswer(
      this.options.model,
      { turn: running.turn, asked, conversationKey: this.current.id, readSettings: this.options.readSettings },
      {
        onDelta: (grown, delta) => {
          running.turn = grown;
          this.onDelta.fire(delta);
          if (this.nowMs() - savedAtMs >= saveEveryMs) {
            savedAtMs = this.nowMs();
            void this.save();
          }
        },
        onState: (change) => {
          running.state = { ...running.state, ...change };
          this.onGeneration.fire(running.state);
        },
        onUsed: (tokens) => this.setUsed(tokens),
      },
      running.controller.signal,
    );
    if (turn.error !== undefined) {
      this.options.log.log('error', 'chat', `An answer failed: ${turn.error.message}`);
    }
    this.finish(running, turn);
  }

  private finish(running: RunningAnswer, turn: ConversationTurn): void {
    if (this.running !== running) {
      return;
    }
    this.running = undefined;
    this.current = replaceTurn(this.current, turn, this.nowMs());
    this.setUsed(contextTokensOf(this.current) ?? this.used);
    this.onTurnFinished.fire(turn);
    this.onGeneration.fire(undefined);
    void this.persist().then(() => this.options.store.prune(this.options.maxConversations(), this.current.id)).catch(() => undefined);
  }

  private show(conversation: Conversation): void {
    this.current = conversation;
    this.setUsed(contextTokensOf(conversation));
    this.options.opened.remember(conversation.id);
    this.announce();
  }

  private announce(): void {
    this.onConversation.fire({ conversation: this.conversation, history: this.summaries });
  }

  private async refreshHistory(): Promise<void> {
    const summaries = await this.options.store.list();
    if (JSON.stringify(summaries) !== JSON.stringify(this.summaries)) {
      this.summaries = summaries;
      this.announce();
    }
  }

  private async persist(): Promise<void> {
    await this.save();
    await this.refreshHistory();
  }

  /** A failed save is told once per answer through the log; the text is still in memory. */
  private async save(): Promise<void> {
    const { conversation } = this;
    if (conversation.turns.length === 0) {
      return;
    }
    this.options.opened.remember(conversation.id);
    try {
      await this.options.store.save(conversation);
    } catch (error) {
      this.options.log.log('error', 'history', `The conversation could not be saved: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private setAttachments(attachments: readonly Attachment[]): void {
    this.pending = attachments;
    this.onAttachments.fire(attachments);
  }

  private setUsed(tokens: number | undefined): void {
    if (this.used !== tokens) {
      this.used = tokens;
      this.onContextUsed.fire(tokens);
    }
  }

  private find(turnId: string): ConversationTurn {
    const turn = this.current.turns.find((item) => item.id === turnId);
    if (turn === undefined) {
      throw new GlmError('turn-not-found', 'That message is no longer part of the conversation. Reload the view if it is still shown.');
    }
    return turn;
  }

  private assertIdle(): void {
    if (this.running !== undefined) {
      throw new GlmError('answer-in-progress', 'An answer is still being written. Stop it first, or wait until it ends.', { next: [{ label: 'Stop the answer', command: 'glm.stop' }] });
    }
  }

  private assertRoomFor(turn: ConversationTurn): void {
    const bytes = Buffer.byteLength(JSON.stringify(turn)) + Buffer.byteLength(JSON.stringify(this.current));
    if (bytes > largestConversationBytes) {
      throw new GlmError('conversation-too-large', `With this question the conversation would hold ${formatBytes(bytes)}; it may hold ${formatBytes(largestConversationBytes)}. Shorten the question or start a new chat.`, {
        fields: { bytes, limitBytes: largestConversationBytes },
        next: [{ label: 'New chat', command: 'glm.newChat' }],
      });
    }
  }
}
