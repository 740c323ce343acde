/**
 * Measures any OpenAI-compatible server on this machine (llama.cpp, vLLM, SGLang, Ollama, our own): the same token ids where it takes ids,
 * the same lengths, greedy, with what each of them understands to hold off EOS and to leave its prompt cache alone.
 * A rule that the server can't be held to is named with the case, which is then not compared.
 */

import { cpus } from 'node:os';
import { CancelledError } from '../../common/errors';
import type { BenchmarkCase, OwnBrokenRule, RunSample } from '../report/schema';
import { spreadCautions, summarizeSamples, timesSample } from '../runSamples';
import { surroundingsCautions } from '../surroundings';
import { ServerAnswerError, type StreamedCompletion } from './completionStream';
import { rulesOfOther, type OtherCase, type OtherOutcome, type OtherRun, type ServerEngine } from './otherEngine';
import { ask, askLengths, chooseManner, evictPrompt, greet, type KnownServer, type Manner } from './serverRequest';

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

async function measureCase(engine: ServerEngine, server: KnownServer, plan: OtherCase, run: OtherRun): Promise<BenchmarkCase> {
  const { settings, signal, telemetry } = run;
  const streamed: StreamedCompletion[] = [];
  const startedMs = telemetry?.now() ?? 0;
  const { manner, trial } = await chooseManner(engine, server, plan, signal);
  const { way, dialect } = manner;
  const name = dialect === 'generation-config' ? 'transformers serve' : server.name;
  // llama-cpp-python and Ollama take what they can from the prompt before, and say nothing of it.
  const isSilent = trial.cachedTokens === undefined;
  let evicts = isSilent;
  let endedBy: string | undefined;
  try {
    for (let index = 0; index < settings.warmupRuns + settings.repetitions; index += 1) {
      if (evicts) {
        await evictPrompt(engine, server, plan, manner, signal);
      }
      const together = await Promise.all(Array.from({ length: plan.concurrency }, () => ask(engine, server, plan, manner, plan.newTokens, signal)));
      if (index >= settings.warmupRuns) {
        streamed.push(...together);
      }
      // What the trial left in a cache shows in the first run.
      evicts ||= index < settings.warmupRuns && together.some((answer) => (answer.cachedTokens ?? 0) > 0);
      run.onRun();
    }
  } catch (error) {
    if (streamed.length === 0) {
      throw error;
    }
    endedBy = signal?.aborted ? 'cancelled' : error instanceof Error ? error.message : String(error);
  }
  const tellsNoLength = streamed.some((answer) => answer.completionTokens === undefined);
  const lengths = tellsNoLength && endedBy === undefined ? await askLengths(engine, server, plan, manner, signal).catch(() => ({})) : {};
  const answers = streamed.map((answer): StreamedCompletion => ({ ...lengths, ...answer }));
  const samples = answers.flatMap((answer) => toSample(answer, plan));
  if (samples.length === 0) {
    throw new ServerAnswerError(server.base, `sent its whole text at once in every one of ${answers.length} runs, so that no time per token can be told`);
  }
  const summaries = summarizeSamples(samples);
  const brokenRules = brokenBy(answers, plan, way);
  return {
    name: `${name}, ${plan.name}`,
    model: server.model,
    modelIdentity: `${server.model} at ${server.base}`,
    engine: name,
    provider: 'server',
    weights: 'as served',
    devices: ['as served'],
    rules: rulesOfOther(plan, { ...settings, repetitions: settings.repetitions * plan.concurrency }, way === 'ids' ? 'ids' : 'text'),
    samples,
    summaries,
    cautions: [
      `the server holds "${server.model}" in a format of its own, which is not known here`,
      ...(server.choice === undefined ? [] : [`the server lists ${server.choice.length} models (${server.choice.slice(0, 8).join(', ')}), of which the first was measured; the address followed by # and a name asks for that one`]),
      ...piecesCaution(answers),
      ...(telemetry === undefined ? [] : surroundingsCautions(telemetry.since(startedMs), [], cpus().length).filter((caution) => !caution.includes('was also used by') && !caution.startsWith('other programs'))),
      ...spreadCautions(summaries),
    ],
    ...(brokenRules.length === 0 ? {} : { brokenRules }),
    setup: [
      `asked over HTTP at ${server.base}, prompt as ${way === 'ids' ? 'token ids' : way === 'text' ? 'text' : 'a chat message'}, times taken when text arrives`,
      ...(isSameText(plan, way, answers[0]?.promptTokens) ? ['our tokenizer reads the text of the prompt as its ids, and the server counted as many tokens'] : []),
      ...(isSilent ? ['it does not tell what it took from its cache, so another prompt was sent between runs'] : []),
      ...(tellsNoLength && 'completionTokens' in lengths ? ['lengths taken from one answer that was not streamed'] : []),
      ...(dialect === 'none' ? ['it takes no field that holds off its stop tokens'] : []),
    ],
    ...(endedBy === undefined ? {} : { endedBy }),
  };
}

function brokenBy(answers: readonly StreamedCompletion[], plan: OtherCase, way: Manner['way']): readonly OwnBrokenRule[] {
  const wrong = (of: (answer: StreamedCompletion) => number | undefined, wanted: number): number | undefined => answers.map(of).find((value) => value !== undefined && value !== wanted);
  const promptTokens = wrong((answer) => answer.promptTokens, plan.promptIds.length);
  const newTokens = wrong((answer) => answer.completionTokens, plan.newTokens);
  const cached = answers.find((answer) => (answer.cachedTokens ?? 0) > 0)?.cachedTokens;
  const counted = answers[0]?.promptTokens;
  return [
    ...(way === 'ids' && promptTokens !== undefined ? [{ rule: 'prompt', explanation: `the server counted ${promptTokens} prompt tokens instead of ${plan.promptIds.length}` }] : []),
    ...(way === 'ids' || isSameText(plan, way, counted) ? [] : [{ rule: 'prompt', explanation: `the prompt went there as text, of which the server made ${counted ?? 'an unknown number of'} tokens instead of our ${plan.promptIds.length}` }]),
    ...(newTokens === undefined ? [] : [{ rule: 'early-stop', explanation: `a run generated ${newTokens} instead of ${plan.newTokens} tokens` }]),
    ...(answers.some((answer) => answer.completionTokens === undefined) ? [{ rule: 'length', explanation: 'the server reports no lengths, so they cannot be checked' }] : []),
    ...(cached === undefined ? [] : [{ rule: 'cache', explanation: `the server took ${cached} prompt tokens from its cache` }]),
  ];
}

/** Text that our tokenizer reads as the ids, of which the server made as many tokens: with the same checkpoint they are the same. */
function isSameText(plan: OtherCase, way: Manner['way'], countedTokens: number | undefined): boolean {
  return way === 'text' && plan.promptReadsBack === true && countedTokens === plan.promptIds.length;
}

function piecesCaution(answers: readonly StreamedCompletion[]): readonly string[] {
  const [first] = answers;
  return first?.completionTokens === undefined || first.eventTimesMs.length === first.completionTokens
    ? []
    : [`${first.completionTokens} tokens came in ${first.eventTimesMs.length} pieces of text, so TTFT is that of the first piece, TPOT takes all pieces for equally long, and times between tokens are not known`];
}

/** None for an answer whose text came in one piece or all at once: it has no TPOT. */
function toSample({ eventTimesMs, totalMs, completionTokens }: StreamedCompletion, plan: OtherCase): readonly RunSample[] {
  const [first, last] = [eventTimesMs[0], eventTimesMs.at(-1)];
  const generatedTokens = completionTokens ?? eventTimesMs.length;
  if (first === undefined || last === undefined || last <= first) {
    return [];
  }
  // The first piece holds more than one token where pieces do; what came after it is what the time was needed for.
  const firstTokens = Math.max(1, generatedTokens / eventTimesMs.length);
  const tpotMs = (last - first) / Math.max(1, generatedTokens - firstTokens);
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
