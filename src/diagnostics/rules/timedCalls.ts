/** Which model calls ran inside a timed region. */
import type { Facts, ModelCall } from '../semantics/facts';
import type { Region } from '../semantics/values';

export function callsDuring(facts: Facts, region: Region, form: ModelCall['form']): readonly ModelCall[] {
  return facts.modelCalls.filter((call) => call.form === form && call.fromEvent < region.to && call.toEvent > region.from);
}

/** Keyword or config value as text, to compare two calls. */
export function settingText(call: ModelCall, name: string): string | undefined {
  const value = call.settings.get(name);
  return value?.kind === 'const' ? String(value.value) : undefined;
}

/** The clock started before a loop and is read inside of it: how long it has been running, told on the way. */
export function isProgress(call: ModelCall, region: Region): boolean {
  return call.loops.some((loop) => loop.from > region.from && loop.to > region.to);
}
