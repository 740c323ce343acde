/**
 * Offers the loaded model to the editor's own chat and to other extensions, through the language model API.
 * Never the only way to the model: an administrator may have switched that API off.
 */

import { randomUUID } from 'node:crypto';
import * as vscode from 'vscode';
import { ThinkSplitter } from '../../common/thinkSplit';
import type { GlmContext } from '../glmContext';
import { textOfParts, toChatMessages } from './requestMessages';

/** As in `contributes.languageModelChatProviders`. */
const vendor = 'glm-local';

export function registerLanguageModelProvider(ctx: GlmContext): void {
  try {
    register(ctx);
  } catch (error) {
    // Editors built from the same source may lack the interface, or a policy may forbid it; the chat view works all the same.
    ctx.log.log('warn', 'languageModel', `The model is not offered to other extensions: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function register(ctx: GlmContext): void {
  const changed = new vscode.EventEmitter<void>();
  ctx.own(
    changed,
    ctx.model.onState.on((state) => {
      if (state.kind !== 'loading') {
        changed.fire();
      }
    }),
    vscode.lm.registerLanguageModelChatProvider(vendor, {
      onDidChangeLanguageModelChatInformation: changed.event,
      provideLanguageModelChatInformation: () => loadedModels(ctx),
      provideLanguageModelChatResponse: (_model, messages, _options, progress, token) => answer(ctx, messages, progress, token),
      provideTokenCount: async (_model, text) => {
        const plain = typeof text === 'string' ? text : textOfParts(text.content);
        return (await ctx.model.tokenize(plain)).length;
      },
    }),
  );
}

/** The loaded model, with the context that was really allocated; nothing is loaded for a list. */
function loadedModels(ctx: GlmContext): vscode.LanguageModelChatInformation[] {
  const { state } = ctx.model;
  if (state.kind !== 'ready' || !state.model.description.hasChatTemplate) {
    return [];
  }
  const { description, contextTokens, weights } = state.model;
  const maxOutputTokens = Math.min(ctx.settings.current.options.maxNewTokens, Math.floor(contextTokens / 2));
  return [
    {
      id: description.name,
      name: description.name,
      family: description.architecture,
      version: weights,
      detail: `${weights}, ${contextTokens.toLocaleString('en-US')} tokens of context`,
      maxInputTokens: contextTokens - maxOutputTokens,
      maxOutputTokens,
      capabilities: { imageInput: false, toolCalling: false },
    },
  ];
}

async function answer(ctx: GlmContext, messages: readonly vscode.LanguageModelChatRequestMessage[], progress: vscode.Progress<vscode.LanguageModelResponsePart>, token: vscode.CancellationToken): Promise<void> {
  const controller = new AbortController();
  const subscription = token.onCancellationRequested(() => controller.abort());
  try {
    const model = await ctx.model.ensureReady(controller.signal);
    const splitter = model.description.thinks ? new ThinkSplitter(true) : undefined;
    const report = (text: string): void => {
      if (text !== '') {
        progress.report(new vscode.LanguageModelTextPart(text));
      }
    };
    await ctx.model.generate(
      { generationId: randomUUID(), prompt: { kind: 'chat', chat: { messages: toChatMessages(messages), addGenerationPrompt: true } }, options: ctx.settings.current.options },
      { onPrefill: () => undefined, onDelta: (delta) => report(splitter === undefined ? delta.text : splitter.push(delta.text).text) },
      controller.signal,
    );
    report(splitter?.end(false).text ?? '');
  } finally {
    subscription.dispose();
  }
}
