/** Carries out a scenario: an engine process per load plan, its cases one after the other, and a report at the end whatever happened. */

import { CancelledError, isGlmError } from '../common/errors';
import type { EngineContract, GenerateParams, GenerateResult, LoadedModel, LoadProgress, PromptInput } from '../common/protocol/engine';
import { greedySampling } from '../common/sampling';
import { benchmarkPromptIds } from './prompt';
import { measureCase, type BenchmarkTarget, type TelemetrySource } from './runCase';
import { splitByContext, type LoadOutcome, type LoadPlan, type NaturalStop, type Scenario, type ScenarioSettings } from './scenarios/scenario';
import { reportSchema, type BenchmarkCase, type BenchmarkEnvironment, type BenchmarkReport } from './report/schema';

/** What the runner needs of an engine process; EngineClient has it. */
export interface BenchmarkEngine {
  readonly pid: number | undefined;
  request<M extends 'model-load' | 'model-unload' | 'conversation-forget' | 'tokenize'>(
    method: M,
    params: EngineContract['requests'][M]['params'],
    signal?: AbortSignal,
  ): Promise<EngineContract['requests'][M]['result']>;
  on(name: 'model-load-progress', listener: (progress: LoadProgress) => void): () => void;
  generate(params: GenerateParams, listener: Record<string, never>, signal?: AbortSignal): Promise<GenerateResult>;
  end(): Promise<unknown>;
}

export interface ScenarioProgress {
  readonly label: string;
  readonly phase: 'loading' | 'measuring';
  readonly doneRuns: number;
  readonly totalRuns: number;
  /** From this scenario's own pace; undefined before the first run ended. */
  readonly remainingMs?: number;
}

export interface ScenarioHooks {
  readonly startEngine: () => BenchmarkEngine;
  readonly environment: () => Promise<BenchmarkEnvironment>;
  readonly nowMs: () => number;
  readonly telemetry?: TelemetrySource;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: ScenarioProgress) => void;
}

/**
 * Runs everything and returns the report. A cancel ends it early and keeps what was measured; a load that fails becomes a note, and the next one goes on.
 *
 * @throws {GlmError} the first failure, when not a single case was measured.
 */
export async function runScenario(scenario: Scenario, settings: ScenarioSettings, hooks: ScenarioHooks): Promise<BenchmarkReport> {
  const startedMs = hooks.nowMs();
  const outcomes: LoadOutcome[] = [];
  const notes: string[] = [];
  let firstError: unknown;
  const pace = new Pace(scenario, settings, hooks);
  for (const plan of scenario.loads) {
    try {
      if (hooks.signal?.aborted) {
        throw new CancelledError('The benchmark');
      }
      outcomes.push(await runLoad(plan, settings, hooks, pace, notes));
    } catch (error) {
      firstError ??= error;
      const cancelled = isGlmError(error) && error.code === 'cancelled';
      notes.push(cancelled ? `Cancelled at ${plan.label}; what was measured before is kept.` : `${plan.label} could not be measured: ${error instanceof Error ? error.message : String(error)}`);
      if (cancelled) {
        break;
      }
    }
  }
  const cases = outcomes.flatMap((outcome) => outcome.cases);
  if (cases.length === 0 && firstError !== undefined) {
    throw firstError;
  }
  return {
    schema: reportSchema,
    scenario: scenario.name,
    startedAt: new Date(startedMs).toISOString(),
    elapsedMs: hooks.nowMs() - startedMs,
    environment: { ...(await hooks.environment()), ...(outcomes[0] === undefined ? {} : { runtimeVersion: outcomes[0].model.runtimeVersion }) },
    cases,
    ...(scenario.alignmentCosts === undefined ? {} : { alignment: scenario.alignmentCosts(outcomes) }),
    notes: [...notes, ...(scenario.explain?.(outcomes) ?? [])],
  };
}

async function runLoad(plan: LoadPlan, settings: ScenarioSettings, hooks: ScenarioHooks, pace: Pace, notes: string[]): Promise<LoadOutcome> {
  const engine = hooks.startEngine();
  try {
    pace.loading(plan.label);
    const model = await engine.request('model-load', plan.load, hooks.signal);
    const { possible, impossible } = splitByContext(plan.cases, model.description);
    notes.push(...impossible.map((each) => `"${each.name}" was left out: ${each.promptTokens + each.newTokens} tokens exceed the model's ${model.description.maxContextTokens}.`));
    const cases: BenchmarkCase[] = [];
    for (const each of possible) {
      pace.start(each.name);
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
          promptIds: benchmarkPromptIds(each.promptTokens, ordinaryTokens(model)),
          ownPids: engine.pid === undefined ? [] : [engine.pid],
        },
        { signal: hooks.signal, telemetry: hooks.telemetry, onRun: () => pace.ran() },
      );
      cases.push(measured);
      if (measured.endedBy === 'cancelled') {
        break;
      }
    }
    const naturalStops = hooks.signal?.aborted ? [] : await measureStops(engine, plan, model, hooks.signal);
    return { plan, model, cases, naturalStops };
  } finally {
    await engine.end();
  }
}

/** Ids below the lowest stop token: GLM's special tokens lie above all ordinary ones. */
function ordinaryTokens(model: LoadedModel): number {
  const lowestStop = Math.min(...model.description.eosTokenIds, model.description.vocabSize);
  return Math.max(1, lowestStop);
}

function targetOf(engine: BenchmarkEngine): BenchmarkTarget {
  return {
    generate: (params, signal) => engine.generate(params, {}, signal),
    forget: async (conversationKey) => void (await engine.request('conversation-forget', { conversationKey })),
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

/** Counts runs and guesses the time left from their pace. */
class Pace {
  private readonly totalRuns: number;
  private doneRuns = 0;
  private label = '';
  private measuringSinceMs: number | undefined;

  constructor(
    scenario: Scenario,
    settings: ScenarioSettings,
    private readonly hooks: ScenarioHooks,
  ) {
    this.totalRuns = scenario.loads.reduce((sum, load) => sum + load.cases.length, 0) * (settings.warmupRuns + settings.repetitions);
  }

  loading(label: string): void {
    this.report(label, 'loading');
  }

  start(label: string): void {
    this.measuringSinceMs ??= this.hooks.nowMs();
    this.report(label, 'measuring');
  }

  ran(): void {
    this.doneRuns += 1;
    this.report(this.label, 'measuring');
  }

  private report(label: string, phase: ScenarioProgress['phase']): void {
    this.label = label;
    const elapsedMs = this.measuringSinceMs === undefined ? 0 : this.hooks.nowMs() - this.measuringSinceMs;
    const remainingMs = this.doneRuns === 0 ? undefined : (elapsedMs / this.doneRuns) * (this.totalRuns - this.doneRuns);
    this.hooks.onProgress?.({ label, phase, doneRuns: this.doneRuns, totalRuns: this.totalRuns, remainingMs });
  }
}
