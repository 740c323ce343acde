/**
 * The extension host's side of the chat view, small and honest: keeps a ViewState, answers requests, and streams prepared answers.
 * Runs in the page for browser tests, the bench and the screenshots, behind `acquireVsCodeApi`.
 */

import { GlmError, type SerializedError } from '../../../src/common/errors';
import { RpcServer, isRpcMessage, type RpcMessage } from '../../../src/common/protocol/rpc';
import type { ChatViewContract, Conversation, ConversationTurn, ViewState } from '../../../src/common/protocol/webview';

export interface FakeAnswer {
  readonly text: string;
  readonly thinking?: string;
  readonly tokensPerSecond: number;
  /** Characters that stand for one token. */
  readonly charactersPerToken?: number;
  /** Waits this long before the first token. */
  readonly prefillMs?: number;
  /** Sent at once with the first delta; for starting late in a long answer. */
  readonly startCharacters?: number;
  /** Streams this far and waits for {@link FakeHost.goOn}, so that a test can look at what lasts only a moment. */
  readonly holdAtCharacters?: number;
}

export interface HostRequest {
  readonly method: string;
  readonly params: unknown;
}

type Events = ChatViewContract['events'];

/** Deltas are sent this often, as the real host batches them. */
const deltaIntervalMs = 16;

export class FakeHost {
  /** Everything the view asked for, oldest first. */
  readonly requests: HostRequest[] = [];
  /** Messages posted before the view said that it was ready; must stay 0. */
  readonly state: { current: ViewState };
  /** The answer to the next question. */
  answer: FakeAnswer = { text: 'Hello.', tokensPerSecond: 100 };
  /** Requests of this name fail with this error. */
  readonly failures = new Map<string, SerializedError>();
  /** Holds back the reply to `view-ready` until {@link openDoor}. */
  private door: Promise<void> = Promise.resolve();
  private openTheDoor: () => void = () => {};
  private readonly server: RpcServer<ChatViewContract>;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isHeld = false;
  /** How long the settings take to come back after an edit. */
  settingsDelayMs = 0;
  private numTurns = 0;

  /** @param post  Sends a message to the view. */
  constructor(private readonly post: (message: RpcMessage) => void, initial: ViewState) {
    this.state = { current: initial };
    const done = (): Record<string, never> => ({});
    this.server = new RpcServer<ChatViewContract>(post, {
      'view-ready': async () => {
        await this.door;
        return this.state.current;
      },
      'prompt-send': ({ text }) => this.ask(text),
      'generation-stop': () => this.finish('cancelled'),
      'answer-regenerate': ({ turnId }) => this.regenerate(turnId),
      'question-edit': ({ turnId, text }) => {
        this.setTurns(this.turns.slice(0, this.turns.findIndex((turn) => turn.id === turnId)));
        return this.ask(text);
      },
      'turn-delete': ({ turnId }) => this.setTurns(this.turns.filter((turn) => turn.id !== turnId)),
      'conversation-new': () => this.open({ id: `c${Date.now()}`, title: '', turns: [], updatedAtMs: Date.now() }),
      'conversation-open': ({ id }) => this.open({ id, title: 'Opened', turns: [], updatedAtMs: Date.now() }),
      'conversation-rename': ({ id, title }) => this.setHistory((entry) => (entry.id === id ? { ...entry, title } : entry)),
      'conversation-delete': ({ id }) => this.setHistory((entry) => (entry.id === id ? undefined : entry)),
      'settings-change': (change) => {
        const { options, ...rest } = change;
        const edited = Object.fromEntries(Object.entries(options ?? {}).map(([key, value]) => [key, value ?? undefined]));
        // The editor answers later than a hand can edit the next field.
        setTimeout(() => this.emit('settings', { ...this.state.current.settings, ...rest, options: { ...this.state.current.settings.options, ...edited } }), this.settingsDelayMs);
        return {};
      },
      'attachment-add': ({ attachment }) => {
        this.emit('attachments', [...this.state.current.attachments, attachment ?? { name: 'train.py', languageId: 'python', text: 'import torch\n' }]);
        return {};
      },
      'attachment-remove': ({ name }) => {
        this.emit('attachments', this.state.current.attachments.filter((entry) => entry.name !== name));
        return {};
      },
      'alignment-dismiss': ({ key }) => {
        this.emit('alignment-messages', this.state.current.alignmentMessages.filter((message) => message.key !== key));
        return {};
      },
      'model-choose': done,
      'model-load-cancel': done,
      'model-reload': done,
      'model-unload': done,
      'code-copy': done,
      'code-insert': done,
      'code-new-file': done,
      'next-step-run': done,
      'link-open': done,
    });
  }

  /** A message from the view. */
  receive(message: unknown): void {
    if (!isRpcMessage(message)) {
      return;
    }
    if (message.kind === 'request') {
      this.requests.push({ method: message.method, params: message.params });
      const failure = this.failures.get(message.method);
      if (failure !== undefined) {
        this.post({ kind: 'reply', id: message.id, error: failure });
        return;
      }
    }
    this.server.receive(message);
  }

  /** Sends an event and keeps the state true to it. */
  emit<Name extends keyof Events & string>(name: Name, payload: Events[Name]): void {
    this.state.current = { ...this.state.current, ...applied(name, payload, this.state.current) };
    this.server.emit(name, payload);
  }

  /** From now on `view-ready` is not answered. */
  closeDoor(): void {
    this.door = new Promise((resolve) => (this.openTheDoor = resolve));
  }

  openDoor(): void {
    this.openTheDoor();
  }

  /** Lets an answer go on that is held at {@link FakeAnswer.holdAtCharacters}, or will be. */
  goOn(): void {
    this.isHeld = false;
  }

  private get turns(): readonly ConversationTurn[] {
    return this.state.current.conversation.turns;
  }

  private setTurns(turns: readonly ConversationTurn[]): Record<string, never> {
    return this.open({ ...this.state.current.conversation, turns });
  }

  private open(conversation: Conversation): Record<string, never> {
    this.emit('conversation', { conversation, history: this.state.current.history });
    return {};
  }

  private setHistory(change: (entry: ViewState['history'][number]) => ViewState['history'][number] | undefined): Record<string, never> {
    const history = this.state.current.history.map(change).filter((entry) => entry !== undefined);
    this.emit('conversation', { conversation: this.state.current.conversation, history });
    return {};
  }

  private ask(text: string): Record<string, never> {
    if (text === 'fail') {
      throw new GlmError('prompt-too-long', 'The prompt has 40,000 tokens and the context holds 32,768. Shorten it or load the model with a larger context.');
    }
    this.setTurns([...this.turns, { id: `q${(this.numTurns += 1)}`, role: 'user', text, attachments: this.state.current.attachments }]);
    this.emit('attachments', []);
    this.stream();
    return {};
  }

  private regenerate(turnId: string): Record<string, never> {
    this.setTurns(this.turns.slice(0, this.turns.findIndex((turn) => turn.id === turnId)));
    this.stream();
    return {};
  }

  /** Streams {@link answer} in real time, by the clock, not by the number of timer calls. */
  private stream(): void {
    const { answer } = this;
    const turnId = `a${(this.numTurns += 1)}`;
    const perToken = answer.charactersPerToken ?? 4;
    const thinking = answer.thinking ?? '';
    const whole = thinking.length + answer.text.length;
    this.setTurns([...this.turns, { id: turnId, role: 'assistant', text: '', modelName: 'GLM-4-9B-0414' }]);
    this.emit('generation-state', { turnId });
    const startMs = performance.now() + (answer.prefillMs ?? 0);
    let sent = 0;
    this.isHeld = answer.holdAtCharacters !== undefined;
    const step = (): void => {
      const elapsedMs = performance.now() - startMs;
      const due = Math.min(this.isHeld ? (answer.holdAtCharacters ?? whole) : whole, (answer.startCharacters ?? 0) + Math.floor((Math.max(0, elapsedMs) / 1000) * answer.tokensPerSecond) * perToken);
      if (due > sent) {
        const thinkingPart = thinking.slice(sent, due);
        this.emit('answer-delta', {
          turnId,
          text: answer.text.slice(Math.max(0, sent - thinking.length), Math.max(0, due - thinking.length)),
          thinking: thinkingPart === '' ? undefined : thinkingPart,
          generatedTokens: Math.ceil(due / perToken),
          tokensPerSecond: answer.tokensPerSecond,
        });
        sent = due;
      }
      if (sent < whole) {
        this.timer = setTimeout(step, deltaIntervalMs);
      } else {
        this.finish('eos');
      }
    };
    this.timer = setTimeout(step, answer.prefillMs ?? 0);
  }

  private finish(stopReason: 'eos' | 'cancelled'): Record<string, never> {
    clearTimeout(this.timer);
    const { generation } = this.state.current;
    const turn = this.turns.find((entry) => entry.id === generation?.turnId);
    if (turn !== undefined) {
      this.emit('turn-finished', {
        ...turn,
        figures: { promptTokens: 512, reusedTokens: 480, generatedTokens: Math.ceil(turn.text.length / 4), ttftMs: 38, decodeTokensPerSecond: this.answer.tokensPerSecond, prefillTokensPerSecond: 14_800, stopReason },
      });
    }
    this.emit('generation-state', undefined);
    return {};
  }
}

/** The part of the state that an event replaces. */
function applied<Name extends keyof Events>(name: Name, payload: Events[Name], state: ViewState): Partial<ViewState> {
  const keys: Partial<Record<keyof Events, keyof ViewState>> = {
    'model-state': 'model',
    devices: 'devices',
    'engine-memory': 'engineMemory',
    'generation-state': 'generation',
    settings: 'settings',
    'alignment-messages': 'alignmentMessages',
    attachments: 'attachments',
    choices: 'choices',
  };
  const key = keys[name];
  if (key !== undefined) {
    return { [key]: payload };
  }
  if (name === 'conversation') {
    return payload as Events['conversation'];
  }
  if (name === 'telemetry-sample') {
    return { recentSamples: [...state.recentSamples, payload as Events['telemetry-sample']] };
  }
  if (name === 'answer-delta') {
    const delta = payload as Events['answer-delta'];
    return withTurn(state, delta.turnId, (turn) => ({ ...turn, text: turn.text + delta.text, thinking: delta.thinking === undefined ? turn.thinking : (turn.thinking ?? '') + delta.thinking }));
  }
  if (name === 'turn-finished') {
    const finished = payload as ConversationTurn;
    return withTurn(state, finished.id, () => finished);
  }
  return {};
}

function withTurn(state: ViewState, id: string, change: (turn: ConversationTurn) => ConversationTurn): Partial<ViewState> {
  return { conversation: { ...state.conversation, turns: state.conversation.turns.map((turn) => (turn.id === id ? change(turn) : turn)) } };
}
