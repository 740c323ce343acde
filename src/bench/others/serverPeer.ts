/**
 * Measures any OpenAI-compatible server on this machine (llama.cpp, vLLM, SGLang, Ollama, our own): the same token ids where it takes ids,
 * the same lengths, greedy, with what each of them understands to hold off EOS and to leave its prompt cache alone.
 * A rule that the server can't be held to is named with the case, which is then not compared.
 */

import { randomUUID } from 'node:crypto';
import { cpus } from 'node:os';
import { CancelledError } from '../../common/errors';
import type { BenchmarkCase, OwnBrokenRule, RunSample } from '../report/schema';
import { spreadCautions, summarizeSamples, timesSample } from '../runSamples';
import { surroundingsCautions } from '../surroundings';
import { reasonOf, ServerAnswerError, streamCompletion, type StreamedCompletion } from './completionStream';
import { rulesOfOther, type OtherCase, type OtherOutcome, type OtherRun, type ServerEngine } from './otherEngine';

/** How the prompt gets there, the fairest first. */
const promptWays = ['ids', 'text', 'chat'] as const;
type PromptWay = (typeof promptWays)[number];

interface KnownServer {
  readonly base: string;
  readonly model: string;
  /** `llama.cpp`, `vLLM`, …; the host where nothing tells. */
  readonly name: string;
}

/** A server that fails becomes a note. @throws {CancelledError} when nothing was measured before a cancel. */
export async function measureServer(engine: ServerEngine, run: OtherRun): Promise<OtherOutcome> {
  const cases: BenchmarkCase[] = [];
  const notes: string[] = [];
  run.onLoading(engine.url);
  try {
    const server = await greet(engine, run.signal);
    for (const plan of run.cases) {
      run.onMeasuring(`${server.name}, ${plan.name}`);
      cases.push(await measureCase(engine, server, plan, run));
    }
  } catch (error) {
    if (run.signal?.aborted) {
      if (cases.length === 0) {
        throw new CancelledError('The benchmark');
      }
    } else {
      notes.push(`${engine.url} could not be measured: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { cases, notes };
}

async function greet(engine: ServerEngine, signal: AbortSignal | undefined): Promise<KnownServer> {
  const base = engine.url.replace(/\/+$/, '').replace(/\/v1$/, '');
  const url = `${base}/v1/models`;
  const response = await fetch(url, { headers: headersOf(engine), signal }).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new ServerAnswerError(url, `can't be reached (${reasonOf(error)})`, undefined, error);
  });
  const list = (await response.json().catch(() => undefined)) as { readonly data?: readonly { readonly id?: string; readonly owned_by?: string }[] } | undefined;
  const entry = list?.data?.find((each) => engine.model === undefined || each.id === engine.model) ?? list?.data?.[0];
  const model = engine.model ?? entry?.id;
  if (!response.ok || model === undefined) {
    throw new ServerAnswerError(url, `answered ${response.status} and named no model`, response.status);
  }
  const names: Readonly<Record<string, string>> = { llamacpp: 'llama.cpp', vllm: 'vLLM', sglang: 'SGLang', library: 'Ollama', local: 'GLM Local server' };
  return { base, model, name: names[entry?.owned_by ?? ''] ?? new URL(base).host };
}

async function measureCase(engine: ServerEngine, server: KnownServer, plan: OtherCase, run: OtherRun): Promise<BenchmarkCase> {
  const { settings, signal, telemetry } = run;
  const answers: StreamedCompletion[] = [];
  const startedMs = telemetry?.now() ?? 0;
  const way = await chooseWay(engine, server, plan, signal);
  let evicts = false;
  let endedBy: string | undefined;
  try {
    for (let index = 0; index < settings.warmupRuns + settings.repetitions; index += 1) {
      if (evicts) {
        await evictPrompt(engine, server, plan, way, signal);
      }
      const together = await Promise.all(Array.from({ length: plan.concurrency }, () => ask(engine, server, plan, way, plan.newTokens, signal)));
      if (index >= settings.warmupRuns) {
        answers.push(...together);
      }
      // What the trial left in a cache shows in the first run.
      evicts ||= index < settings.warmupRuns && together.some((answer) => (answer.cachedTokens ?? 0) > 0);
      run.onRun();
    }
  } catch (error) {
    if (answers.length === 0) {
      throw error;
    }
    endedBy = signal?.aborted ? 'cancelled' : error instanceof Error ? error.message : String(error);
  }
  const samples = answers.flatMap((answer) => toSample(answer, plan));
  if (samples.length === 0) {
    throw new ServerAnswerError(server.base, `sent its whole text at once in every one of ${answers.length} runs, so that no time per token can be told`);
  }
  const summaries = summarizeSamples(samples);
  const brokenRules = brokenBy(answers, plan, way);
  return {
    name: `${server.name}, ${plan.name}`,
    model: server.model,
    modelIdentity: `${server.model} at ${server.base}`,
    engine: server.name,
    provider: 'server',
    weights: 'as served',
    devices: ['as served'],
    rules: rulesOfOther(plan, { ...settings, repetitions: settings.repetitions * plan.concurrency }, way === 'ids' ? 'ids' : 'text'),
    samples,
    summaries,
    cautions: [
      `the server holds "${server.model}" in a format of its own, which is not known here`,
      ...piecesCaution(answers),
      ...(telemetry === undefined ? [] : surroundingsCautions(telemetry.since(startedMs), [], cpus().length).filter((caution) => !caution.includes('was also used by') && !caution.startsWith('other programs'))),
      ...spreadCautions(summaries),
    ],
    ...(brokenRules.length === 0 ? {} : { brokenRules }),
    setup: [`asked over HTTP at ${server.base}, prompt as ${way === 'ids' ? 'token ids' : way === 'text' ? 'text' : 'a chat message'}, times taken when text arrives`],
    ...(endedBy === undefined ? {} : { endedBy }),
  };
}

/** The first way that the server accepts, tried with two tokens. */
async function chooseWay(engine: ServerEngine, server: KnownServer, plan: OtherCase, signal: AbortSignal | undefined): Promise<PromptWay> {
  let refusal: unknown;
  for (const way of promptWays) {
    if (way !== 'ids' && plan.promptText === undefined) {
      continue;
    }
    try {
      const answer = await ask(engine, server, plan, way, 2, signal);
      // Ollama takes the field and reads something else than ids from it.
      if (way !== 'ids' || answer.promptTokens === undefined || answer.promptTokens >= plan.promptIds.length) {
        return way;
      }
    } catch (error) {
      if (!(error instanceof ServerAnswerError) || error.status === undefined) {
        throw error;
      }
      refusal = error;
    }
  }
  throw refusal ?? new ServerAnswerError(server.base, 'takes neither token ids nor the prompt as text');
}

/** For servers that keep prompts and can't be told otherwise: SGLang empties its cache when asked, one with a single slot forgets when it reads something else. */
async function evictPrompt(engine: ServerEngine, server: KnownServer, plan: OtherCase, way: PromptWay, signal: AbortSignal | undefined): Promise<void> {
  await fetch(`${server.base}/flush_cache`, { method: 'POST', headers: headersOf(engine), signal }).then(
    (response) => response.body?.cancel(),
    () => signal?.throwIfAborted(),
  );
  const other: OtherCase = { ...plan, promptIds: [...plan.promptIds].reverse(), promptText: plan.promptText === undefined ? undefined : [...plan.promptText].reverse().join('') };
  await ask(engine, server, other, way, 1, signal);
}

function ask(engine: ServerEngine, server: KnownServer, plan: OtherCase, way: PromptWay, newTokens: number, signal: AbortSignal | undefined): Promise<StreamedCompletion> {
  const body = {
    model: server.model,
    ...(way === 'chat' ? { messages: [{ role: 'user', content: plan.promptText }] } : { prompt: way === 'ids' ? plan.promptIds : plan.promptText }),
    max_tokens: newTokens,
    temperature: 0,
    seed: 0,
    stream: true,
    stream_options: { include_usage: true },
    // vLLM and SGLang: min_tokens, ignore_eos; llama.cpp: ignore_eos, cache_prompt; vLLM: a salt of its own keeps a prompt out of the shared cache.
    min_tokens: newTokens,
    ignore_eos: true,
    cache_prompt: false,
    cache_salt: randomUUID(),
  };
  return streamCompletion(`${server.base}/v1/${way === 'chat' ? 'chat/completions' : 'completions'}`, body, headersOf(engine), signal);
}

function brokenBy(answers: readonly StreamedCompletion[], plan: OtherCase, way: PromptWay): readonly OwnBrokenRule[] {
  const wrong = (of: (answer: StreamedCompletion) => number | undefined, wanted: number): number | undefined => answers.map(of).find((value) => value !== undefined && value !== wanted);
  const promptTokens = wrong((answer) => answer.promptTokens, plan.promptIds.length);
  const newTokens = wrong((answer) => answer.completionTokens, plan.newTokens);
  const cached = answers.find((answer) => (answer.cachedTokens ?? 0) > 0)?.cachedTokens;
  const counted = answers[0]?.promptTokens;
  return [
    ...(way === 'ids' && promptTokens !== undefined ? [{ rule: 'prompt', explanation: `the server counted ${promptTokens} prompt tokens instead of ${plan.promptIds.length}` }] : []),
    ...(way === 'ids' ? [] : [{ rule: 'prompt', explanation: `the prompt went there as text, of which the server made ${counted ?? 'an unknown number of'} tokens instead of our ${plan.promptIds.length}` }]),
    ...(newTokens === undefined ? [] : [{ rule: 'early-stop', explanation: `a run generated ${newTokens} instead of ${plan.newTokens} tokens` }]),
    ...(answers.some((answer) => answer.completionTokens === undefined) ? [{ rule: 'length', explanation: 'the server reports no usage, so its lengths cannot be checked' }] : []),
    ...(cached === undefined ? [] : [{ rule: 'cache', explanation: `the server took ${cached} prompt tokens from its cache` }]),
  ];
}

function piecesCaution(answers: readonly StreamedCompletion[]): readonly string[] {
  const [first] = answers;
  return first?.completionTokens === undefined || first.eventTimesMs.length === first.completionTokens
    ? []
    : [`${first.completionTokens} tokens came in ${first.eventTimesMs.length} pieces of text, so TTFT is that of the first piece and times between tokens are not known`];
}

/** None for an answer whose text came in one piece or all at once: it has no TPOT. */
function toSample({ eventTimesMs, totalMs, completionTokens }: StreamedCompletion, plan: OtherCase): readonly RunSample[] {
  const [first, last] = [eventTimesMs[0], eventTimesMs.at(-1)];
  const generatedTokens = completionTokens ?? eventTimesMs.length;
  if (first === undefined || last === undefined || last <= first) {
    return [];
  }
  const tpotMs = (last - first) / Math.max(1, generatedTokens - 1);
  return [
    {
      ...timesSample({ ttftMs: first, tpotMs, tokenTimesMs: eventTimesMs.length === generatedTokens ? eventTimesMs : [], totalMs, generatedTokens }),
      tokenizeMs: 0,
      prefillTokensPerSecond: (1000 * plan.promptIds.length) / first,
      decodeTokensPerSecond: 1000 / tpotMs,
      peakMemoryBytes: {},
    },
  ];
}

function headersOf({ apiKey }: ServerEngine): Readonly<Record<string, string>> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}
