/** Answers what the chat view asks. Talks to services and to the editor through one interface, so that it is tested without either. */

import { contextSteps } from '../../common/contextSteps';
import { GlmError, isGlmError, type NextStep } from '../../common/errors';
import type { RpcHandlers } from '../../common/protocol/rpc';
import type { Attachment, ChatSettings, ChatSettingsChange, ChatViewContract, ModelChoice, ViewState } from '../../common/protocol/webview';
import type { ChatSession } from '../chat/chatSession';
import type { DeviceService } from '../devices/deviceService';
import type { ModelService } from '../model/modelService';

/** What the handlers need of the editor. */
export interface EditorActions {
  copyText(text: string): Promise<void>;
  /** @throws {GlmError} `no-editor`. */
  insertText(text: string): Promise<void>;
  newFile(text: string, languageId: string | undefined): Promise<void>;
  /** Lets the user choose a file; undefined when they did not. */
  pickAttachment(): Promise<Attachment | undefined>;
  openUrl(url: string): Promise<void>;
  runCommand(command: string, args: readonly unknown[]): Promise<void>;
  /** Asks which model, or loads `source`, after the estimate. Returns before the load has ended. */
  chooseModel(source: string | undefined): Promise<void>;
}

export interface ChatSettingsAccess {
  read(): ChatSettings;
  write(change: ChatSettingsChange): Promise<void>;
}

export interface ViewServices {
  readonly chat: ChatSession;
  readonly model: ModelService;
  readonly devices: DeviceService;
  readonly settings: ChatSettingsAccess;
  readonly choices: () => readonly ModelChoice[];
  readonly editor: EditorActions;
}

const nothing = {} as Record<string, never>;

export function createViewHandlers(services: ViewServices): RpcHandlers<ChatViewContract> {
  const { chat, model, settings, editor } = services;
  return {
    'view-ready': () => viewState(services),
    'prompt-send': ({ text }) => begin(() => chat.send(text)),
    'generation-stop': async () => done(() => chat.stop()),
    'answer-regenerate': ({ turnId }) => begin(() => chat.regenerate(turnId)),
    'question-edit': ({ turnId, text }) => begin(() => chat.editQuestion(turnId, text)),
    'turn-delete': async ({ turnId }) => done(() => chat.deleteTurn(turnId)),
    'conversation-new': async () => done(() => chat.newChat()),
    'conversation-open': async ({ id }) => done(() => chat.open(id)),
    'conversation-rename': async ({ id, title }) => done(() => chat.rename(id, title)),
    'conversation-delete': async ({ id }) => done(() => chat.remove(id)),
    'settings-change': async (change) => done(() => settings.write(change)),
    'attachment-add': async ({ attachment }) => {
      const chosen = attachment ?? (await editor.pickAttachment());
      if (chosen !== undefined) {
        chat.attach(chosen);
      }
      return nothing;
    },
    'attachment-remove': ({ name }) => {
      chat.detach(name);
      return nothing;
    },
    'model-choose': async ({ source }) => done(() => editor.chooseModel(source)),
    'model-load-cancel': () => {
      model.cancelLoad();
      return nothing;
    },
    'model-reload': () => {
      // Progress and failure are told through the model's state; a long load must not keep this request open.
      model.reload().catch(() => undefined);
      return nothing;
    },
    'model-unload': async () => done(() => model.unload()),
    'code-copy': async ({ text }) => done(() => editor.copyText(text)),
    'code-insert': async ({ text }) => done(() => editor.insertText(text)),
    'code-new-file': async ({ text, languageId }) => done(() => editor.newFile(text, languageId)),
    'next-step-run': async ({ command, url, args }) => {
      const step = offeredSteps(services).find((offered) =>
        command === undefined ? url !== undefined && offered.url === url : offered.command === command && JSON.stringify(offered.args ?? []) === JSON.stringify(args ?? []),
      );
      if (step?.command !== undefined && step.command.startsWith('glm.')) {
        await editor.runCommand(step.command, step.args ?? []);
      } else if (step?.url !== undefined && isWebAddress(step.url)) {
        await editor.openUrl(step.url);
      } else {
        throw new GlmError('step-not-offered', 'That step is no longer offered. Reload the view if it is still shown.');
      }
      return nothing;
    },
    'alignment-dismiss': ({ key }) => {
      model.dismissAlignment(key);
      return nothing;
    },
    'link-open': async ({ url }) => {
      // Answers are written by a model: only web addresses are followed, never commands or files.
      if (!isWebAddress(url)) {
        throw new GlmError('link-refused', `Only http and https links can be opened from an answer; this one is "${url.slice(0, 80)}".`);
      }
      return done(() => editor.openUrl(url));
    },
  };

  function begin(action: () => void): Record<string, never> {
    action();
    return nothing;
  }

  async function done(action: () => Promise<unknown>): Promise<Record<string, never>> {
    try {
      await action();
    } catch (error) {
      if (!isGlmError(error) || error.code !== 'cancelled') {
        throw error;
      }
    }
    return nothing;
  }

  function viewState({ chat, model, devices, settings, choices }: ViewServices): ViewState {
    return {
      model: model.state,
      devices: devices.devices,
      recentSamples: devices.recentSamples,
      engineMemory: model.memory,
      conversation: chat.conversation,
      history: chat.history,
      generation: chat.generation,
      settings: settings.read(),
      alignmentMessages: model.alignmentMessages,
      contextUsedTokens: chat.contextUsedTokens,
      attachments: chat.attachments,
      choices: choices(),
    };
  }

  /** Every next step that is on screen now: what the view may ask to run. */
  function offeredSteps({ chat, model }: ViewServices): readonly NextStep[] {
    const { state } = model;
    return [
      ...(state.kind === 'failed' || state.kind === 'lost' ? state.error.next : []),
      ...chat.conversation.turns.flatMap((turn) => turn.error?.next ?? []),
      ...model.alignmentMessages.flatMap((message) => message.next),
      ...contextSteps,
      // Errors of the view's own requests, which only this list can name: they are short-lived and carry no arguments.
      { label: 'Stop the answer', command: 'glm.stop' },
      { label: 'Choose a model', command: 'glm.chooseModel' },
    ];
  }
}

function isWebAddress(url: string): boolean {
  try {
    return ['http:', 'https:'].includes(new URL(url).protocol);
  } catch {
    return false;
  }
}
