/** Runs one completion request on the engine and writes its answer, whole or as server-sent events. */

import type { ServerResponse } from 'node:http';
import { once } from 'node:events';
import { createAnswerTrimmer } from '../common/chat';
import type { GenerateParams, GenerateResult, LoadedModel, PromptInput } from '../common/protocol/engine';
import { ThinkSplitter } from '../common/thinkSplit';
import type { GenerationListener } from '../engine/client/startEngine';
import { toApiFailure } from './apiError';
import type { CompletionRequest } from './completionRequest';
import { chunkResponse, usageChunk, usageOf, wholeResponse, type ChoiceDelta, type ChoiceResult, type ResponseHead } from './completionResponse';

/** The model behind the server; the supervisor of src/engine/client, or a fake. */
export interface ServedEngine {
  ensureLoaded(): Promise<LoadedModel>;
  generate(params: GenerateParams, listener: GenerationListener, signal: AbortSignal): Promise<GenerateResult>;
}

export interface CompletionContext {
  readonly engine: ServedEngine;
  readonly model: LoadedModel;
  readonly head: ResponseHead;
  readonly response: ServerResponse;
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal;
}

export async function answerCompletion(request: CompletionRequest, context: CompletionContext): Promise<void> {
  const { head, response, signal } = context;
  const stream = request.streams ? new EventStream(response) : undefined;
  const prompts = request.prompts.flatMap((prompt) => Array.from({ length: request.numChoices }, () => prompt));
  try {
    const choices = await Promise.all(prompts.map((prompt, index) => runChoice(prompt, index, request, context, stream)));
    if (signal.aborted) {
      return;
    }
    const groups = request.prompts.map((_, index) => choices.slice(index * request.numChoices, (index + 1) * request.numChoices).map((choice) => choice.result));
    const usage = usageOf(groups);
    if (stream === undefined) {
      sendJson(response, 200, wholeResponse(head, choices, usage));
      return;
    }
    if (request.includesUsage) {
      stream.send(usageChunk(head, usage));
    }
    stream.end();
  } catch (error) {
    if (stream?.hasBegun === true) {
      // The status has been sent already; the error goes into the stream, as other servers do.
      stream.send(toApiFailure(error).body);
      stream.end();
      return;
    }
    throw error;
  }
}

async function runChoice(prompt: PromptInput, index: number, request: CompletionRequest, context: CompletionContext, stream: EventStream | undefined): Promise<ChoiceResult> {
  const { engine, head, model, signal } = context;
  const trim = head.kind === 'chat' ? createAnswerTrimmer() : (piece: string): string => piece;
  const splitter = head.kind === 'chat' && model.description.thinks ? new ThinkSplitter(true) : undefined;
  let text = '';
  let reasoning = '';
  let isFirst = true;
  // A client that asked for the usage at the end finds null in the chunks before.
  const send = (delta: ChoiceDelta): void => stream?.send({ ...chunkResponse(head, delta), ...(request.includesUsage ? { usage: null } : {}) });
  const take = (raw: { readonly text: string; readonly thinking: string }): void => {
    const part = { text: trim(raw.text), thinking: raw.thinking };
    text += part.text;
    reasoning += part.thinking;
    if (isFirst || part.text !== '' || part.thinking !== '') {
      send({ index, text: part.text, reasoning: part.thinking, isFirst });
      isFirst = false;
    }
  };
  // Choices of one prompt must differ although they share a seed.
  const { seed } = request.options;
  const options = { ...request.options, seed: seed === undefined ? undefined : (seed + (index % request.numChoices)) % 2 ** 32 };
  const result = await engine.generate(
    { generationId: `${head.id}-${index}`, prompt, options },
    { onDelta: (delta) => take(splitter?.push(delta.text) ?? { text: delta.text, thinking: '' }) },
    signal,
  );
  if (splitter !== undefined) {
    const rest = splitter.end(result.stopReason === 'eos');
    take(rest);
    if (rest.answerWasThinking) {
      // No think part after all: in a whole answer it becomes the text; a stream has already gone out as reasoning.
      text = reasoning + text;
      reasoning = '';
    }
  }
  send({ index, stopReason: result.stopReason, isFirst });
  return { index, text, reasoning, result };
}

/** Server-sent events. The head goes out with the first event, so that an early failure still has a status of its own. */
class EventStream {
  hasBegun = false;
  private tail: Promise<unknown> = Promise.resolve();

  constructor(private readonly response: ServerResponse) {}

  send(value: object): void {
    if (!this.hasBegun) {
      this.hasBegun = true;
      this.response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', connection: 'keep-alive' });
    }
    this.write(`data: ${JSON.stringify(value)}\n\n`);
  }

  end(): void {
    this.write('data: [DONE]\n\n');
    this.tail = this.tail.then(() => this.response.end());
  }

  /** Waits for a slow reader instead of piling its events up in the socket. */
  private write(text: string): void {
    this.tail = this.tail.then(async () => {
      if (!this.response.destroyed && !this.response.write(text)) {
        await Promise.race([once(this.response, 'drain'), once(this.response, 'close')]);
      }
    });
  }
}

export function sendJson(response: ServerResponse, status: number, value: object): void {
  if (response.headersSent || response.destroyed) {
    return;
  }
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length });
  response.end(body);
}
