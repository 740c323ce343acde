/** One streamed completion of an OpenAI-compatible server: what came when, and what the server says about it. */

import { isRecord } from '../../common/checkShape';
import { GlmError } from '../../common/errors';

/**
 * A server that can't be measured.
 *
 * Cause: it isn't there, refuses the request, or answers in another form. Handled by: the measurement, which makes a note of it.
 */
export class ServerAnswerError extends GlmError {
  constructor(
    readonly url: string,
    reason: string,
    readonly status?: number,
    cause?: unknown,
  ) {
    super('bench-server-answer', `${url} ${reason}. Check that the server runs and speaks the OpenAI interface.`, { fields: { url, status }, cause });
  }
}

export interface StreamedCompletion {
  /** When each event with text came, in ms since the request was sent. */
  readonly eventTimesMs: readonly number[];
  readonly totalMs: number;
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  /** Prompt tokens that the server says it did not compute. */
  readonly cachedTokens?: number;
}

/** The lengths in a `usage` object, as far as they are there. */
export function readUsage(usage: unknown): Pick<StreamedCompletion, 'promptTokens' | 'completionTokens'> {
  const { prompt_tokens: promptTokens, completion_tokens: completionTokens } = (usage ?? {}) as Readonly<Record<string, unknown>>;
  return { ...(typeof promptTokens === 'number' ? { promptTokens } : {}), ...(typeof completionTokens === 'number' ? { completionTokens } : {}) };
}

/** Data of whole server-sent events; the rest of `buffer` waits for more. */
export function takeEvents(buffer: string): { readonly data: readonly string[]; readonly rest: string } {
  const lines = buffer.split(/\r\n|\n|\r/);
  const rest = lines.pop() ?? '';
  return { data: lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trim()), rest };
}

interface StreamChunk {
  readonly choices?: readonly { readonly finish_reason?: string | null; readonly text?: string | null; readonly delta?: { readonly content?: string | null; readonly reasoning_content?: string | null; readonly reasoning?: string | null } }[];
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number; readonly prompt_tokens_details?: { readonly cached_tokens?: number | null } | null } | null;
  /** llama.cpp's own figures. */
  readonly timings?: { readonly cache_n?: number };
  readonly error?: { readonly message?: string } | string;
}

/** @throws {ServerAnswerError} @throws the abort's own error when `signal` aborts. */
export async function streamCompletion(url: string, body: object, headers: Readonly<Record<string, string>>, signal?: AbortSignal): Promise<StreamedCompletion> {
  const startedMs = performance.now();
  const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body), signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new ServerAnswerError(url, `can't be reached (${reasonOf(error)})`, undefined, error);
  });
  if (!response.ok || response.body === null) {
    throw new ServerAnswerError(url, `answered ${response.status}: ${(await response.text()).slice(0, 300)}`, response.status);
  }
  const eventTimesMs: number[] = [];
  const said: { promptTokens?: number; completionTokens?: number; cachedTokens?: number } = {};
  let hasEnded = false;
  const take = (data: readonly string[], nowMs: number): void => {
    for (const each of data) {
      if (each === '[DONE]') {
        hasEnded = true;
        continue;
      }
      const chunk = parseChunk(url, each);
      if (hasText(chunk)) {
        eventTimesMs.push(nowMs);
      }
      Object.assign(said, readUsage(chunk.usage));
      said.cachedTokens = chunk.usage?.prompt_tokens_details?.cached_tokens ?? chunk.timings?.cache_n ?? said.cachedTokens;
      hasEnded ||= choicesOf(chunk).some(({ finish_reason: reason }) => typeof reason === 'string');
    }
  };
  const decoder = new TextDecoder();
  let buffer = '';
  try {
    for await (const bytes of response.body) {
      const nowMs = performance.now() - startedMs;
      const { data, rest } = takeEvents(buffer + decoder.decode(bytes as Uint8Array, { stream: true }));
      buffer = rest;
      take(data, nowMs);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof ServerAnswerError ? error : new ServerAnswerError(url, `broke off its answer after ${eventTimesMs.length} pieces of text (${reasonOf(error)})`, undefined, error);
  }
  take(takeEvents(`${buffer}\n`).data, performance.now() - startedMs);
  // A server that dies may still close its connection in good order; what came until then is no answer.
  if (eventTimesMs.length > 0 && !hasEnded) {
    throw new ServerAnswerError(url, `ended its answer after ${eventTimesMs.length} pieces of text without saying that it was complete`);
  }
  return { eventTimesMs, totalMs: performance.now() - startedMs, ...said };
}

function parseChunk(url: string, data: string): StreamChunk {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch (error) {
    throw new ServerAnswerError(url, `sent an event that is not JSON: ${data.slice(0, 80)}`, undefined, error);
  }
  const chunk = (typeof value === 'object' && value !== null ? value : {}) as StreamChunk;
  if (chunk.error !== undefined) {
    throw new ServerAnswerError(url, `ended with an error: ${typeof chunk.error === 'string' ? chunk.error : (chunk.error.message ?? 'no message')}`);
  }
  return chunk;
}

const choicesOf = ({ choices }: StreamChunk): NonNullable<StreamChunk['choices']> => (Array.isArray(choices) ? choices.filter(isRecord) : []);

function hasText(chunk: StreamChunk): boolean {
  return choicesOf(chunk).some(({ text, delta }) => [text, delta?.content, delta?.reasoning_content, delta?.reasoning].some((each) => typeof each === 'string' && each !== ''));
}

/** fetch hides the system's reason in the cause. */
export function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause as { readonly code?: string; readonly message?: string } | undefined) : undefined;
  return cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
}
