/** One load plan: an engine process, its cases one after the other, and what else the plan asks of the loaded model. */

import { isGlmError } from '../common/errors';
import type { LoadedModel, LoadOptions, PromptInput } from '../common/protocol/engine';
import { greedySampling } from '../common/sampling';
import { bandwidthUse } from './bandwidthUse';
import { ordinaryTokens, targetOf, textEngineOf, type BenchmarkEngine } from './engineAccess';
import { loadSettingsOf, modelShapeOf } from './loadSettings';
import type { ProgressPace } from './progressPace';
import { benchmarkPromptIds, textPrompt, type TextCodec, type TextPrompt } from './prompt';
import { scoreBundledText } from './quality';
import type { BenchmarkCase } from './report/schema';
import { measureCase, type TelemetrySource } from './runCase';
import { splitByContext, type LoadOutcome, type LoadPlan, type NaturalStop, type ScenarioSettings } from './scenarios/scenario';
import { evaluationText } from './text/evaluationText';
import { measureTextTimes } from './textTimes';

export interface LoadHooks {
  readonly startEngine: () => BenchmarkEngine;
  readonly telemetry?: TelemetrySource;
  readonly signal?: AbortSignal;
  /** For tests. */
  readonly cancelLimitMs?: number;
  /** Told of each engine process, so that its own load is not taken for someone else's. */
  readonly onEngine?: (pid: number) => void;
}

export interface LoadContext {
  readonly settings: ScenarioSettings;
  readonly hooks: LoadHooks;
  readonly pace: ProgressPace;
  readonly note: (text: string) => void;
  /** Prompt lengths whose text is wanted too. */
  readonly textsOf?: readonly number[];
}

/** How long a cancelled engine may take to stop by itself, such as in the middle of a native call. */
const cancelLimitMs = 3000;

export async function runLoad(plan: LoadPlan, { settings, hooks, pace, note, textsOf = [] }: LoadContext): Promise<LoadOutcome> {
  const engine = hooks.startEngine();
  const { signal } = hooks;
  let limit: NodeJS.Timeout | undefined;
  const onCancel = (): void => void (limit = setTimeout(() => void engine.end(0), hooks.cancelLimitMs ?? cancelLimitMs));
  signal?.addEventListener('abort', onCancel, { once: true });
  let stopBeside: (() => Promise<void>) | undefined;
  try {
    if (engine.pid !== undefined) {
      hooks.onEngine?.(engine.pid);
    }
    pace.loading(plan.label);
    stopBeside = plan.beside === undefined ? undefined : await answerBeside(plan.beside, hooks);
    const model = await engine.request('model-load', plan.load, signal);
    const { possible, impossible } = splitByContext(plan.cases, model.description);
    impossible.forEach((each) => note(`"${each.name}" was left out: ${each.promptTokens + each.newTokens} tokens exceed the model's ${model.description.maxContextTokens}.`));
    pace.skip(impossible.length * (settings.warmupRuns + settings.repetitions));
    const prompts = textsOf.length === 0 ? undefined : await promptsWithText(engine, model, textsOf, signal);
    const cases: BenchmarkCase[] = [];
    for (const each of possible) {
      pace.start(each.name, settings.warmupRuns + settings.repetitions);
      const measured = await measureCase(
        targetOf(engine),
        {
          ...settings,
          ...each,
          model: model.description.name,
          modelIdentity: model.description.folder,
          provider: [...new Set(model.plan.stages.map((stage) => stage.provider))].join('+'),
          weights: model.weights,
          devices: model.plan.stages.map((stage) => stage.device),
          promptIds: prompts?.get(each.promptTokens)?.ids ?? benchmarkPromptIds(each.promptTokens, ordinaryTokens(model)),
          load: loadSettingsOf(model, plan.load),
          shape: modelShapeOf(model),
          setup: attentionSetup(model),
          ownPids: engine.pid === undefined ? [] : [engine.pid],
          prefillFromTtft: plan.prefillFromTtft,
        },
        { signal, telemetry: hooks.telemetry, onRun: (_done, total) => pace.ran(total) },
      );
      cases.push(measured);
      if (measured.endedBy === 'cancelled') {
        break;
      }
    }
    const outcome: LoadOutcome = { plan, model, cases, naturalStops: [], ...(prompts === undefined ? {} : { prompts }) };
    return signal?.aborted ? outcome : await measureBeside(outcome, engine, signal, note);
  } finally {
    signal?.removeEventListener('abort', onCancel);
    clearTimeout(limit);
    await stopBeside?.();
    await engine.end();
  }
}

async function promptsWithText(engine: BenchmarkEngine, model: LoadedModel, counts: readonly number[], signal: AbortSignal | undefined): Promise<ReadonlyMap<number, TextPrompt>> {
  const codec: TextCodec = {
    tokenize: async (text) => (await engine.request('tokenize', { text, mode: 'no-special' }, signal)).ids,
    detokenize: async (ids) => (await engine.request('detokenize', { ids, skipSpecial: true }, signal)).text,
  };
  const prompts = new Map<number, TextPrompt>();
  for (const count of counts) {
    prompts.set(count, await textPrompt(codec, evaluationText, count, ordinaryTokens(model)));
  }
  return prompts;
}

/** Loads a second model and lets it answer one short prompt after the other. @returns what ends that. */
async function answerBeside(load: LoadOptions, { startEngine, onEngine, signal }: LoadHooks): Promise<() => Promise<void>> {
  const engine = startEngine();
  const stop = new AbortController();
  try {
    if (engine.pid !== undefined) {
      onEngine?.(engine.pid);
    }
    const model = await engine.request('model-load', load, signal);
    const ids = benchmarkPromptIds(16, ordinaryTokens(model));
    const answering = (async () => {
      for (let round = 0; !stop.signal.aborted; round += 1) {
        const generationId = `beside-${round}`;
        await engine.generate({ generationId, prompt: { kind: 'ids', ids }, options: { ...greedySampling, maxNewTokens: 32, minNewTokens: 32, stopStrings: [], ignoreEos: true } }, {}, stop.signal);
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    // It is ended in the middle of an answer; what that says does not matter.
    answering.catch(() => undefined);
    return async () => {
      stop.abort();
      await answering.catch(() => undefined);
      await engine.end();
    };
  } catch (error) {
    await engine.end();
    throw error;
  }
}

/** The attention kernels, as far as they are known. */
function attentionSetup(model: LoadedModel): readonly string[] {
  return model.assignments.flatMap(({ device, attention }) => (attention === undefined ? [] : [`attention on ${device}: ${attention.prefill} for prompts, ${attention.decode} for single tokens`]));
}

/** What is no speed: limits, quality, text times, natural stops. Whatever fails here is a note; the cases are kept. */
async function measureBeside(outcome: LoadOutcome, engine: BenchmarkEngine, signal: AbortSignal | undefined, note: (text: string) => void): Promise<LoadOutcome> {
  const { plan, model } = outcome;
  const text = textEngineOf(engine, model, signal);
  const attempt = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return signal?.aborted ? undefined : await work();
    } catch (error) {
      if (!(isGlmError(error) && error.code === 'cancelled')) {
        note(`${plan.label}: ${what} could not be measured: ${error instanceof Error ? error.message : String(error)}`);
      }
      return undefined;
    }
  };
  const measured = await attempt('the memory bandwidth', () => engine.request('memory-bandwidth', {}, signal));
  const cases = outcome.cases.map((each) => {
    const bandwidth = measured === undefined ? undefined : bandwidthUse(each, model.decodeReads ?? [], measured);
    return bandwidth === undefined ? each : { ...each, bandwidth };
  });
  const scores = plan.scoresText === true ? await attempt('the perplexity', () => scoreBundledText(text, model.contextTokens)) : undefined;
  const textTimes = plan.timesText === true ? await attempt('tokenizing', () => measureTextTimes(text, plan.label, evaluationText, () => performance.now())) : undefined;
  const naturalStops = (await attempt('the natural stops', () => measureStops(engine, plan, model, signal))) ?? [];
  return {
    ...outcome,
    cases,
    naturalStops,
    ...(scores === undefined ? {} : { scores }),
    ...(textTimes === undefined ? {} : { textTimes }),
  };
}

async function measureStops(engine: BenchmarkEngine, plan: LoadPlan, model: LoadedModel, signal: AbortSignal | undefined): Promise<readonly NaturalStop[]> {
  const stops: NaturalStop[] = [];
  for (const [index, question] of (plan.naturalStops?.questions ?? []).entries()) {
    const prompt: PromptInput = model.description.hasChatTemplate ? { kind: 'chat', chat: { messages: [{ role: 'user', content: question }] } } : { kind: 'text', text: question };
    const key = `stop-${index}`;
    const result = await engine.generate(
      {
        generationId: key,
        conversationKey: key,
        prompt,
        options: { ...greedySampling, maxNewTokens: plan.naturalStops?.limitTokens ?? 0, minNewTokens: 0, stopStrings: [], ignoreEos: false },
      },
      {},
      signal,
    );
    stops.push({ label: plan.label, question, generatedTokens: result.ids.length, stopReason: result.stopReason });
  }
  return stops;
}
