/** What a scenario is: which models to load and what to measure with each. Pure descriptions; runScenario.ts carries them out. */

import type { LoadOptions, LoadedModel, ModelDescription } from '../../common/protocol/engine';
import type { OtherEngine } from '../others/otherEngine';
import type { TextPrompt } from '../prompt';
import type { TextScores } from '../quality';
import type { AlignmentCost, BenchmarkCase, TextTimes } from '../report/schema';

/** One measurement on a loaded model. */
export interface CasePlan {
  readonly name: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  readonly concurrency: number;
}

/** What scenarios measure that compare loads instead of lengths. */
export const usualCases: readonly CasePlan[] = [{ name: 'prompt 512, 128 new', promptTokens: 512, newTokens: 128, concurrency: 1 }];

/** One load of a model and what is measured with it before it is unloaded. */
export interface LoadPlan {
  readonly label: string;
  readonly load: LoadOptions;
  readonly cases: readonly CasePlan[];
  /** The label of the load that this one is only held against: where that one can't be loaded, this one is not tried. */
  readonly comparedWith?: string;
  /** A second model that answers all the while in an engine of its own. */
  readonly beside?: LoadOptions;
  /** Beside other engines, which do not tell what reading the prompt took: prefill tok/s is the prompt over TTFT on every side. */
  readonly prefillFromTtft?: boolean;
  /** Also score the bundled text. */
  readonly scoresText?: boolean;
  /** Also time tokenizer and chat template. */
  readonly timesText?: boolean;
  /** Also let the model stop by itself on these questions and report the lengths; they are never part of a speed. */
  readonly naturalStops?: NaturalStopPlan;
}

export interface NaturalStopPlan {
  readonly questions: readonly string[];
  readonly limitTokens: number;
}

/** How a model ended by itself on one question. */
export interface NaturalStop {
  readonly label: string;
  readonly question: string;
  readonly generatedTokens: number;
  readonly stopReason: string;
}

/** What became of one load plan. */
export interface LoadOutcome {
  readonly plan: LoadPlan;
  readonly model: LoadedModel;
  readonly cases: readonly BenchmarkCase[];
  readonly naturalStops: readonly NaturalStop[];
  /** Of the bundled text; undefined where the plan asked for none or it failed. */
  readonly scores?: TextScores;
  readonly textTimes?: TextTimes;
  /** The prompts by their token count with their texts, where the scenario has engines that may take no ids. */
  readonly prompts?: ReadonlyMap<number, TextPrompt>;
}

export interface OthersPlan {
  readonly engines: readonly OtherEngine[];
  readonly cases: readonly CasePlan[];
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly loads: readonly LoadPlan[];
  /** Engines of others, measured after the loads with the same prompts and lengths. */
  readonly others?: OthersPlan;
  /** Scenario "alignment" only: what each misplaced kind of tensor cost. */
  readonly alignmentCosts?: (outcomes: readonly LoadOutcome[]) => readonly AlignmentCost[];
  /** Sentences for the report, made from what was measured. */
  readonly explain?: (outcomes: readonly LoadOutcome[]) => readonly string[];
}

/** Repetition settings shared by all scenarios. */
export interface ScenarioSettings {
  /** At least so many of either. */
  readonly warmupRuns: number;
  readonly repetitions: number;
  /** Warm-up goes on for so long, where there is any: processors and caches need time, not runs. Nothing more when absent. */
  readonly warmupMs?: number;
  /** As many runs are counted as take about so long, by the pace of the warm-up: fixed before the first of them, so that no result decides it. */
  readonly countedMs?: number;
}

/** At least five counted runs, so that a spread can be judged. */
export const defaultSettings: ScenarioSettings = { warmupRuns: 1, repetitions: 5 };

/** Short runs are repeated more often; long ones stay at the least number. */
export const steadySettings = { warmupMs: 1000, countedMs: 4000 } as const;

/**
 * Settings as a scenario takes them: beside other engines all get the same numbers of runs, a comparison of many loads lives from its rounds, and
 * numbers that someone chose are kept.
 *
 * @param isChosen  Somebody asked for these very numbers, be they the usual ones.
 */
export function settingsFor(
  scenario: Pick<Scenario, 'name' | 'others'>,
  settings: ScenarioSettings,
  isChosen = settings.warmupRuns !== defaultSettings.warmupRuns || settings.repetitions !== defaultSettings.repetitions,
): ScenarioSettings {
  return scenario.others === undefined && scenario.name !== 'alignment' && !isChosen ? { ...steadySettings, ...settings } : settings;
}

/** Load options for one case: a context that holds prompt and answer, and room for the concurrent requests; more of either where it was asked for. */
export function loadFor(base: LoadOptions, cases: readonly CasePlan[], changes: Partial<LoadOptions> = {}): LoadOptions {
  const contextTokens = Math.max(base.contextTokens ?? 0, ...cases.map((each) => each.promptTokens + each.newTokens + 1));
  const maxBatch = Math.max(base.maxBatch, ...cases.map((each) => each.concurrency));
  return { ...base, contextTokens, maxBatch, ...changes };
}

/** Cases whose prompt and answer exceed the model's own limit can't be measured; they are named instead of shortened. */
export function splitByContext(cases: readonly CasePlan[], description: ModelDescription): { readonly possible: readonly CasePlan[]; readonly impossible: readonly CasePlan[] } {
  const fits = (each: CasePlan): boolean => each.promptTokens + each.newTokens + 1 <= description.maxContextTokens;
  return { possible: cases.filter(fits), impossible: cases.filter((each) => !fits(each)) };
}
