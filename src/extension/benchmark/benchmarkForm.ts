/** The choices of a benchmark before it runs, and how they read in the picker. Pure. */

import { scenarioByName, type ScenarioName } from '../../bench/scenarios/scenarioByName';
import type { Scenario, ScenarioSettings } from '../../bench/scenarios/scenario';
import type { LoadOptions } from '../../common/protocol/engine';
import type { DeviceDescription } from '../../common/protocol/monitor';

export interface BenchmarkForm {
  readonly scenario: ScenarioName;
  readonly source: string;
  /** chat-vs-base only. */
  readonly secondSource?: string;
  readonly settings: ScenarioSettings;
  /** Standard only: one case of these lengths instead of the usual three. */
  readonly lengths?: { readonly promptTokens: number; readonly newTokens: number };
}

/** The list that the command opens with, the most useful one first. */
export const scenarioItems: readonly { readonly name: ScenarioName; readonly label: string; readonly detail: string }[] = [
  { name: 'standard', label: 'Standard lengths', detail: 'Prompts of 512 and 4,096 tokens, answers of 128 and 256: the lengths people compare elsewhere' },
  { name: 'chat-vs-base', label: 'Chat against base', detail: 'Two checkpoints at the same length; where each would stop by itself is shown apart' },
  { name: 'precision', label: 'Weight formats', detail: 'One checkpoint with full, int8 and int4 weights: speed and memory' },
  { name: 'concurrency', label: 'Concurrent requests', detail: '1, 2, 4 and 8 requests at once: what batching gains and what it costs each of them' },
  { name: 'context', label: 'Context length', detail: 'The same answer after 128 to 8,192 tokens of prompt' },
  { name: 'devices', label: 'Devices', detail: 'One GPU, two, …, and the processor' },
];

export function buildScenario(form: BenchmarkForm, base: LoadOptions, devices: readonly DeviceDescription[]): Scenario {
  const { lengths } = form;
  const cases = lengths === undefined ? undefined : [{ name: `prompt ${lengths.promptTokens}, ${lengths.newTokens} new`, ...lengths, concurrency: 1 }];
  return scenarioByName(form.scenario, base, devices, { secondSource: form.secondSource, cases });
}

/** `512, 128` or `512 → 128`; undefined when it is not two whole numbers that make sense. */
export function parseLengths(text: string): BenchmarkForm['lengths'] {
  const [, prompt, answer] = /^\s*(\d{1,7})\s*(?:,|→|->|\s)\s*(\d{1,6})\s*$/.exec(text) ?? [];
  const [promptTokens, newTokens] = [Number(prompt), Number(answer)];
  return promptTokens >= 1 && newTokens >= 2 ? { promptTokens, newTokens } : undefined;
}

/** Devices that the scenario may use: what its loads name, or all when they leave it to the planner. */
export function devicesOf(scenario: Scenario, devices: readonly DeviceDescription[]): readonly string[] {
  return [...new Set(scenario.loads.flatMap(({ load }) => load.includeDevices ?? devices.map((device) => device.id)))];
}

/** `measuring 512 → 128: run 3 of 18, about 2 min left` */
export function progressText(progress: { readonly label: string; readonly phase: 'loading' | 'measuring'; readonly doneRuns: number; readonly totalRuns: number; readonly remainingMs?: number }): string {
  if (progress.phase === 'loading') {
    return `loading ${progress.label}`;
  }
  const left = progress.remainingMs === undefined ? '' : `, about ${timeLeft(progress.remainingMs)} left`;
  return `${progress.label}: run ${Math.min(progress.doneRuns + 1, progress.totalRuns)} of ${progress.totalRuns}${left}`;
}

function timeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}
