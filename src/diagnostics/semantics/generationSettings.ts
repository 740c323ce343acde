/** The settings of one generate() call, gathered from keywords, dicts and generation configs. */
import type { CallSite } from './calls';
import type { LengthLimit, ModelSeen } from './facts';
import { optionsOf, unknown, type Value } from './values';

export interface Settings {
  readonly values: ReadonlyMap<string, Value>;
  /** Source text of a setting given as an expression, to compare values that are not known. */
  readonly texts: ReadonlyMap<string, string>;
  /** Some settings come from a mapping or config that cannot be seen. */
  readonly opaque: boolean;
}

export function readSettings(site: CallSite, models: readonly ModelSeen[]): Settings {
  const { interpreter, args } = site;
  const values = new Map<string, Value>();
  const texts = new Map<string, string>();
  let opaque = args.hasListUnpack;
  const addAll = (value: Value): void => {
    for (const option of optionsOf(value)) {
      const object = interpreter.object(option);
      if (object?.kind === 'dict') {
        object.entries.forEach((entry, key) => values.set(key, entry));
        // Unnamed entries that are tensors, on some path at least, are inputs.
        opaque ||= object.rest !== undefined && !optionsOf(object.rest).some((option) => option.kind === 'tensor');
      } else if (object?.kind !== 'batch') {
        opaque = true;
      }
    }
  };
  for (const { model } of models) {
    if (model.generationConfig) {
      addAll(model.generationConfig);
    }
  }
  const config = args.keywords.get('generation_config')?.value;
  if (config) {
    addAll(config);
  }
  for (const { value, expr } of args.mappings) {
    // An unknown `**inputs` holds tensors, not settings.
    const isMoved = optionsOf(value).some((option) => option.kind === 'tensor');
    const isInputs = isMoved || (value.kind === 'unknown' && expr?.kind === 'name' && /input|batch|encod|token|data|sample|prompt|feature/i.test(expr.id));
    if (!isInputs) {
      addAll(value);
    }
  }
  const nested = values.get('generation_config');
  if (nested && !config) {
    addAll(nested);
  }
  args.keywords.forEach(({ value, expr }, key) => {
    values.set(key, value);
    if (expr) {
      texts.set(key, interpreter.textOf(expr));
    }
  });
  return { values, texts, opaque };
}

/** Whether every call with these settings produces the same number of tokens. */
export function lengthLimitOf(settings: Settings): LengthLimit {
  const pairs = [
    ['min_new_tokens', 'max_new_tokens'],
    ['min_length', 'max_length'],
  ] as const;
  for (const [minimum, maximum] of pairs) {
    const min = settings.values.get(minimum);
    const max = settings.values.get(maximum);
    if (max?.kind === 'const' && max.value === 1) {
      return 'fixed';
    }
    if (min && max) {
      return areEqual(min, max) ?? (settings.texts.get(minimum) === settings.texts.get(maximum) ? 'fixed' : 'unknown');
    }
  }
  return settings.opaque || mayGoOn(settings) ? 'unknown' : 'open';
}

/** What may keep a model from ending when it likes: processors of logits, words that it must not say. */
const steering = ['ignore_eos', 'logits_processor', 'prefix_allowed_tokens_fn', 'exponential_decay_length_penalty'];

function mayGoOn({ values, texts }: Settings): boolean {
  const eos = values.get('eos_token_id');
  const hasNoEnd = (eos?.kind === 'const' && (eos.value === null || eos.value === -1)) || texts.get('eos_token_id') === '[]';
  return hasNoEnd || steering.some((name) => values.has(name)) || ['bad_words_ids', 'suppress_tokens'].some((name) => /eos|end/i.test(texts.get(name) ?? ''));
}

function areEqual(min: Value, max: Value): LengthLimit | undefined {
  if (min.kind === 'const' && max.kind === 'const') {
    return min.value === max.value ? 'fixed' : 'open';
  }
  return min === max && min !== unknown ? 'fixed' : undefined;
}
