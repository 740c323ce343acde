/** Carries out a scenario: an engine process per load plan, then the engines of others, and a report at the end whatever happened. */

import { CancelledError, isGlmError } from '../common/errors';
import type { TelemetrySample } from '../common/protocol/monitor';
import { ordinaryTokens } from './engineAccess';
import { measureOther } from './others/measureOther';
import { readableLabel } from './loadLabel';
import { countRuns, labelOf, type OtherCase } from './others/otherEngine';
import { ProgressPace, type ScenarioProgress } from './progressPace';
import { benchmarkPromptIds } from './prompt';
import { againstReference } from './quality';
import { runLoad, type LoadHooks } from './runLoad';
import { splitByContext, type LoadOutcome, type OthersPlan, type Scenario, type ScenarioSettings } from './scenarios/scenario';
import { reportSchema, type BenchmarkCase, type BenchmarkEnvironment, type BenchmarkReport } from './report/schema';
import { describeBefore } from './surroundings';

export type { BenchmarkEngine } from './engineAccess';
export type { ScenarioProgress } from './progressPace';

export interface ScenarioHooks extends LoadHooks {
  readonly environment: () => Promise<BenchmarkEnvironment>;
  readonly nowMs: () => number;
  readonly onProgress?: (progress: ScenarioProgress) => void;
  /** A load or an engine of others without a single case though it was asked for; the reasons are in the notes of the report too. */
  readonly onUnmeasured?: (label: string, reasons: readonly string[]) => void;
}

/**
 * Runs everything and returns the report. A cancel ends it early and keeps what was measured; a load that fails becomes a note, and the next one goes on.
 *
 * @throws {GlmError} the first failure, when not a single case was measured.
 */
export async function runScenario(scenario: Scenario, settings: ScenarioSettings, hooks: ScenarioHooks): Promise<BenchmarkReport> {
  const startedMs = hooks.nowMs();
  const before = latestReading(hooks.telemetry?.since(0) ?? []);
  const outcomes: LoadOutcome[] = [];
  const notes: string[] = [];
  let firstError: unknown;
  const pace = new ProgressPace(totalRuns(scenario, settings), hooks.nowMs, (progress) => hooks.onProgress?.(progress));
  const note = (text: string): void => void notes.push(text);
  const textsOf = scenario.others?.engines.some((engine) => engine.kind === 'server') ? scenario.others.cases.map((each) => each.promptTokens) : [];
  const neverLoaded = new Set<string>();
  for (const plan of scenario.loads) {
    if (neverLoaded.has(plan.label) || (plan.comparedWith !== undefined && neverLoaded.has(plan.comparedWith))) {
      pace.skip(plan.cases.length * (settings.warmupRuns + settings.repetitions));
      continue;
    }
    try {
      assertNotCancelled(hooks.signal);
      outcomes.push(await runLoad(plan, { settings, hooks, pace, note, textsOf }));
    } catch (error) {
      firstError ??= error;
      // An engine that did not hear of it was ended, and says so.
      if (isCancelled(error) || hooks.signal?.aborted) {
        note(`Cancelled at ${readableLabel(plan.label)}; what was measured before is kept.`);
        break;
      }
      const reason = `${readableLabel(plan.label)} could not be measured: ${error instanceof Error ? error.message : String(error)}`;
      note(reason);
      // Which misplacements a machine can have is a finding of that scenario.
      if (scenario.alignmentCosts === undefined) {
        hooks.onUnmeasured?.(plan.label, [reason]);
      }
      if (!outcomes.some((outcome) => outcome.plan.label === plan.label)) {
        neverLoaded.add(plan.label);
      }
    }
  }
  const others = scenario.others === undefined ? [] : await runOthers(scenario.others, outcomes[0], { settings, hooks, pace, note });
  const cases = [...casesWithQuality(outcomes), ...others];
  if (cases.length === 0 && firstError !== undefined) {
    throw hooks.signal?.aborted ? new CancelledError('The benchmark') : firstError;
  }
  const textTimes = outcomes.flatMap((outcome) => outcome.textTimes ?? []);
  return {
    schema: reportSchema,
    scenario: scenario.name,
    startedAt: new Date(startedMs).toISOString(),
    elapsedMs: hooks.nowMs() - startedMs,
    environment: { ...(await hooks.environment()), ...(outcomes[0] === undefined ? {} : { runtimeVersion: outcomes[0].model.runtimeVersion }) },
    cases,
    ...(before === undefined ? {} : { before: describeBefore(before) }),
    ...(textTimes.length === 0 ? {} : { textTimes }),
    ...(scenario.alignmentCosts === undefined ? {} : { alignment: scenario.alignmentCosts(outcomes) }),
    notes: [...notes, ...(scenario.explain?.(outcomes.map((outcome) => ({ ...outcome, cases: casesWithQuality(outcomes, outcome) }))) ?? [])],
  };
}

/** The latest with rates: the first reading of a rhythm has none. */
function latestReading(samples: readonly TelemetrySample[]): TelemetrySample | undefined {
  const hasRates = (sample: TelemetrySample): boolean => sample.devices.some((device) => device.utilizationPercent !== undefined);
  return [...samples].reverse().find(hasRates) ?? samples.at(-1);
}

interface OthersContext {
  readonly settings: ScenarioSettings;
  readonly hooks: ScenarioHooks;
  readonly pace: ProgressPace;
  readonly note: (text: string) => void;
}

/** The prompt ids come from our own loaded model's vocabulary; without it there is nothing to compare with. */
async function runOthers(plan: OthersPlan, ours: LoadOutcome | undefined, { settings, hooks, pace, note }: OthersContext): Promise<readonly BenchmarkCase[]> {
  if (ours === undefined) {
    return [];
  }
  const cases: BenchmarkCase[] = [];
  const possible = splitByContext(plan.cases, ours.model.description).possible.map(
    (each): OtherCase => {
      const prompt = ours.prompts?.get(each.promptTokens);
      return { ...each, promptIds: prompt?.ids ?? benchmarkPromptIds(each.promptTokens, ordinaryTokens(ours.model)), promptText: prompt?.text, promptReadsBack: prompt?.readsBack };
    },
  );
  for (const engine of plan.engines) {
    try {
      assertNotCancelled(hooks.signal);
      const outcome = await measureOther(engine, {
        cases: possible,
        settings,
        telemetry: hooks.telemetry,
        signal: hooks.signal,
        onLoading: (label) => pace.loading(label),
        onMeasuring: (label) => pace.start(label),
        onRun: () => pace.ran(),
        onProcess: hooks.onEngine,
      });
      // Two servers of one kind would have cases of one name, which a comparison of reports could not tell apart.
      cases.push(...outcome.cases.map((each) => ({ ...each, name: unusedName(each.name, cases) })));
      outcome.notes.forEach(note);
      if (outcome.cases.length === 0) {
        hooks.onUnmeasured?.(labelOf(engine), outcome.notes);
      }
    } catch (error) {
      if (!isCancelled(error)) {
        throw error;
      }
      note(`Cancelled at ${labelOf(engine)}; what was measured before is kept.`);
      break;
    }
  }
  return cases;
}

function unusedName(name: string, cases: readonly BenchmarkCase[]): string {
  const isTaken = (candidate: string): boolean => cases.some((each) => each.name === candidate);
  let number = 2;
  while (isTaken(`${name} (${number})`)) {
    number += 1;
  }
  return isTaken(name) ? `${name} (${number})` : name;
}

/** The first load that scored the text is the reference of the others. @param only  Cases of this outcome alone. */
function casesWithQuality(outcomes: readonly LoadOutcome[], only?: LoadOutcome): readonly BenchmarkCase[] {
  const reference = outcomes.find((outcome) => outcome.scores !== undefined)?.scores;
  return outcomes
    .filter((outcome) => only === undefined || outcome === only)
    .flatMap(({ cases, scores }) => (scores === undefined || reference === undefined ? cases : cases.map((each) => ({ ...each, quality: againstReference(scores, reference) }))));
}

function totalRuns({ loads, others }: Scenario, settings: ScenarioSettings): number {
  const ours = loads.reduce((sum, load) => sum + load.cases.length, 0) * (settings.warmupRuns + settings.repetitions);
  return ours + (others?.engines.reduce((sum, engine) => sum + countRuns(engine, others.cases.length, settings), 0) ?? 0);
}

function assertNotCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new CancelledError('The benchmark');
  }
}

function isCancelled(error: unknown): boolean {
  return isGlmError(error) && error.code === 'cancelled';
}
