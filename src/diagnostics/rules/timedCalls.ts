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
