/** The choices of a benchmark before it runs, and how they read in the picker. Pure. */

import { scenarioByName, type ScenarioName } from '../../bench/scenarios/scenarioByName';
import type { Scenario, ScenarioSettings } from '../../bench/scenarios/scenario';
import { serverAt, type OtherEngine } from '../../bench/others/otherEngine';
import { cpuDevice } from '../../common/deviceId';
import { GlmError } from '../../common/errors';
import type { LoadOptions } from '../../common/protocol/engine';
import type { DeviceDescription } from '../../common/protocol/monitor';

export interface BenchmarkForm {
  readonly scenario: ScenarioName;
  readonly source: string;
  /** chat-vs-base only. */
  readonly secondSource?: string;
  readonly settings: ScenarioSettings;
  /** One case of these lengths instead of the usual ones, where the scenario takes that. */
  readonly lengths?: { readonly promptTokens: number; readonly newTokens: number };
  /** others only: the interpreter to run transformers with; empty leaves transformers out. */
  readonly python: string;
  /** others only: addresses of OpenAI-compatible servers. */
  readonly servers: readonly string[];
}

export const defaultPython = process.platform === 'win32' ? 'python' : 'python3';

/** Compiling in transformers may take this long before it is given up. */
const compileLimitMs = 180_000;

/** The list that the command opens with, the most useful one first. */
export const scenarioItems: readonly { readonly name: ScenarioName; readonly label: string; readonly detail: string }[] = [
  { name: 'standard', label: 'Standard lengths', detail: 'Prompts of 512 and 4,096 tokens, answers of 128 and 256: the lengths people compare elsewhere' },
  { name: 'chat-vs-base', label: 'Chat against base', detail: 'Two checkpoints at the same length; where each would stop by itself is shown apart' },
  { name: 'precision', label: 'Weight formats', detail: 'One checkpoint with full, int8 and int4 weights: speed, memory, perplexity and token agreement' },
  { name: 'concurrency', label: 'Concurrent requests', detail: '1, 2, 4 and 8 requests at once: what batching gains and what it costs each of them' },
  { name: 'context', label: 'Context length', detail: 'The same answer after 128 to 8,192 tokens of prompt' },
  { name: 'devices', label: 'Devices', detail: 'One GPU, two, …, and the processor' },
  { name: 'alignment', label: 'Device alignment', detail: 'What each kind of tensor on the wrong device costs; needs a GPU' },
  { name: 'others', label: 'Against others', detail: 'This engine, then transformers in your own Python and OpenAI-compatible servers on this machine, by the same rules' },
];

/** The context of the settings is for conversations: a case takes what its lengths need. */
export function buildScenario(form: BenchmarkForm, { contextTokens: _ofConversations, ...base }: LoadOptions, devices: readonly DeviceDescription[]): Scenario {
  const { lengths } = form;
  const cases = lengths === undefined ? undefined : [{ name: `prompt ${lengths.promptTokens}, ${lengths.newTokens} new`, ...lengths, concurrency: 1 }];
  if (form.scenario !== 'others') {
    return scenarioByName(form.scenario, base, devices, { secondSource: form.secondSource, cases });
  }
  // The same weights on both sides, where the user has not chosen otherwise.
  const dtype = base.provider !== 'cpu' && devices.some((device) => device.kind === 'cuda') ? 'bf16' : 'f32';
  return scenarioByName('others', base.weights === 'auto' ? { ...base, weights: dtype } : base, devices, { cases, others: othersOf(form, base, dtype) });
}

/** @throws {GlmError} `bench-nothing-beside` when neither a Python nor a server is named. */
function othersOf({ python, servers, source }: BenchmarkForm, base: LoadOptions, dtype: 'bf16' | 'f32'): readonly OtherEngine[] {
  if (python === '' && servers.length === 0) {
    throw new GlmError('bench-nothing-beside', 'There is nothing to compare with: name a Python that has torch and transformers, or the address of a server.');
  }
  return [
    ...(python === '' ? [] : [{ kind: 'transformers' as const, python, source, dtype, ...(base.provider === 'cpu' ? { device: 'cpu' } : {}), variants: ['eager', 'compiled'] as const, warmupLimitMs: compileLimitMs, threads: base.cpuThreads }]),
    ...servers.map((address) => serverAt(address)),
  ];
}

/** Addresses separated by commas or spaces; undefined when one of them is none. */
export function parseServers(text: string): readonly string[] | undefined {
  const servers = text.split(/[\s,]+/).filter((part) => part !== '');
  return servers.every((url) => /^https?:\/\/[^/\s]+/.test(url)) ? servers : undefined;
}

/** `512, 128` or `512 → 128`; undefined when it is not two whole numbers that make sense. */
export function parseLengths(text: string): BenchmarkForm['lengths'] {
  const [, prompt, answer] = /^\s*(\d{1,7})\s*(?:,|→|->|\s)\s*(\d{1,6})\s*$/.exec(text) ?? [];
  const [promptTokens, newTokens] = [Number(prompt), Number(answer)];
  return promptTokens >= 1 && newTokens >= 2 ? { promptTokens, newTokens } : undefined;
}

/** Whether a load of the scenario may use the device: where it leaves the choice to the planner, any may be, also one that only the engine finds, such as a WebGPU adapter. */
export function mayUse(scenario: Scenario, device: string): boolean {
  return scenario.loads.some(({ load }) => (load.provider === 'cpu' ? device === cpuDevice : (load.includeDevices?.some((included) => included === device) ?? true)));
}

/** `measuring 512 → 128: run 3 of 18, about 2 min left` */
export function progressText(progress: { readonly label: string; readonly phase: 'loading' | 'measuring'; readonly doneRuns: number; readonly totalRuns: number; readonly remainingMs?: number }): string {
  if (progress.phase === 'loading') {
    return `loading ${progress.label}`;
  }
  // Nothing is left when the last run has ended.
  const left = progress.remainingMs === undefined || progress.doneRuns >= progress.totalRuns ? '' : `, about ${timeLeft(progress.remainingMs)} left`;
  return `${progress.label}: run ${Math.min(progress.doneRuns + 1, progress.totalRuns)} of ${progress.totalRuns}${left}`;
}

function timeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  return seconds < 100 ? `${seconds} s` : `${Math.ceil(seconds / 60)} min`;
}
