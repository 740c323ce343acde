/**
 * What an OpenAI-compatible server is asked, in the form that it takes: how the prompt gets there, and which fields hold it to the rules.
 * Servers differ in both, and say so only by refusing.
 */

import { randomUUID } from 'node:crypto';
import { isRecord } from '../../common/checkShape';
import { readUsage, reasonOf, ServerAnswerError, streamCompletion, type StreamedCompletion } from './completionStream';
import type { OtherCase, ServerEngine } from './otherEngine';

export interface KnownServer {
  readonly base: string;
  readonly model: string;
  /** `llama.cpp`, `vLLM`, …; the host where nothing tells. */
  readonly name: string;
  /** All that it lists, where it was left to us which to measure and there are several. */
  readonly choice?: readonly string[];
}

/** How the prompt gets there, the fairest first. */
const promptWays = ['ids', 'text', 'chat'] as const;
/**
 * Fields beyond OpenAI's own that hold off EOS and the prompt cache. `common`: vLLM, SGLang, llama.cpp and those that ignore what they don't know.
 * `generation-config`: transformers serve, which refuses unknown fields. `none`: whatever else refuses them; it stops where it likes.
 */
const dialects = ['common', 'generation-config', 'none'] as const;

export interface Manner {
  readonly way: (typeof promptWays)[number];
  readonly dialect: (typeof dialects)[number];
}

/** Who writes what into `owned_by`. */
const names: Readonly<Record<string, string>> = { llamacpp: 'llama.cpp', vllm: 'vLLM', sglang: 'SGLang', library: 'Ollama', local: 'GLM Local server', me: 'llama-cpp-python' };

/** @throws {ServerAnswerError} when it can't be reached or names no model. */
export async function greet(engine: ServerEngine, signal: AbortSignal | undefined): Promise<KnownServer> {
  const base = engine.url.replace(/\/+$/, '').replace(/\/v1$/, '');
  const url = `${base}/v1/models`;
  const response = await fetch(url, { headers: headersOf(engine), signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new ServerAnswerError(url, `can't be reached (${reasonOf(error)})`, undefined, error);
  });
  const list: unknown = await response.json().catch(() => undefined);
  const entries = isRecord(list) && Array.isArray(list.data) ? (list.data as readonly unknown[]).filter(isRecord).filter((each) => typeof each.id === 'string') : [];
  const entry = engine.model === undefined ? entries[0] : entries.find((each) => each.id === engine.model);
  const model = engine.model ?? (entry === undefined ? undefined : String(entry.id));
  if (!response.ok || model === undefined) {
    throw new ServerAnswerError(url, `answered ${response.status} and named no model`, response.status);
  }
  const owner = typeof entry?.owned_by === 'string' ? entry.owned_by : '';
  return {
    base,
    model,
    name: names[owner] ?? new URL(base).host,
    ...(engine.model === undefined && entries.length > 1 ? { choice: entries.map((each) => String(each.id)) } : {}),
  };
}

/** The first manner that the server accepts, tried with two tokens, and what it answered. @throws {ServerAnswerError} its last refusal. */
export async function chooseManner(engine: ServerEngine, server: KnownServer, plan: OtherCase, signal: AbortSignal | undefined): Promise<{ readonly manner: Manner; readonly trial: StreamedCompletion }> {
  let refusal: unknown;
  for (const dialect of dialects) {
    for (const way of promptWays) {
      if (way !== 'ids' && plan.promptText === undefined) {
        continue;
      }
      try {
        const trial = await ask(engine, server, plan, { way, dialect }, 2, signal);
        // Ollama takes the field and reads something else than ids from it.
        if (way !== 'ids' || trial.promptTokens === undefined || trial.promptTokens >= plan.promptIds.length) {
          return { manner: { way, dialect }, trial };
        }
      } catch (error) {
        if (!(error instanceof ServerAnswerError) || error.status === undefined) {
          throw error;
        }
        refusal = error;
      }
    }
  }
  throw refusal ?? new ServerAnswerError(server.base, 'takes neither token ids nor the prompt as text');
}

export function ask(engine: ServerEngine, server: KnownServer, plan: OtherCase, manner: Manner, newTokens: number, signal: AbortSignal | undefined): Promise<StreamedCompletion> {
  return streamCompletion(urlOf(server, manner), { ...bodyOf(server, plan, manner, newTokens), stream: true, stream_options: { include_usage: true } }, headersOf(engine), signal);
}

/** The lengths of an answer, for servers that tell them only of answers that are not streamed; greedy, so they are those of the streamed ones. */
export async function askLengths(engine: ServerEngine, server: KnownServer, plan: OtherCase, manner: Manner, signal: AbortSignal | undefined): Promise<Pick<StreamedCompletion, 'promptTokens' | 'completionTokens'>> {
  const body = JSON.stringify({ ...bodyOf(server, plan, manner, plan.newTokens), stream: false });
  const response = await fetch(urlOf(server, manner), { method: 'POST', headers: { 'content-type': 'application/json', ...headersOf(engine) }, body, signal });
  const answer: unknown = response.ok ? await response.json().catch(() => undefined) : undefined;
  return isRecord(answer) ? readUsage(answer.usage) : {};
}

/** For servers that keep prompts and can't be told otherwise: SGLang empties its cache when asked, one with a single slot forgets when it reads something else. */
export async function evictPrompt(engine: ServerEngine, server: KnownServer, plan: OtherCase, manner: Manner, signal: AbortSignal | undefined): Promise<void> {
  await fetch(`${server.base}/flush_cache`, { method: 'POST', headers: headersOf(engine), signal }).then(
    (response) => response.body?.cancel(),
    () => signal?.throwIfAborted(),
  );
  const other: OtherCase = { ...plan, promptIds: [...plan.promptIds].reverse(), promptText: plan.promptText === undefined ? undefined : [...plan.promptText].reverse().join('') };
  await ask(engine, server, other, manner, 1, signal);
}

function urlOf(server: KnownServer, { way }: Manner): string {
  return `${server.base}/v1/${way === 'chat' ? 'chat/completions' : 'completions'}`;
}

function bodyOf(server: KnownServer, plan: OtherCase, { way, dialect }: Manner, newTokens: number): object {
  return {
    model: server.model,
    ...(way === 'chat' ? { messages: [{ role: 'user', content: plan.promptText }] } : { prompt: way === 'ids' ? plan.promptIds : plan.promptText }),
    max_tokens: newTokens,
    temperature: 0,
    seed: 0,
    ...rulesIn(dialect, newTokens),
  };
}

function rulesIn(dialect: Manner['dialect'], newTokens: number): object {
  switch (dialect) {
    case 'common':
      // vLLM and SGLang: min_tokens, ignore_eos; llama.cpp: ignore_eos, cache_prompt; vLLM: a salt of its own keeps a prompt out of the shared cache.
      return { min_tokens: newTokens, ignore_eos: true, cache_prompt: false, cache_salt: randomUUID() };
    case 'generation-config':
      return { generation_config: JSON.stringify({ max_new_tokens: newTokens, min_new_tokens: newTokens, do_sample: false }) };
    case 'none':
      return {};
    default:
      return dialect satisfies never;
  }
}

function headersOf({ apiKey }: ServerEngine): Readonly<Record<string, string>> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}
