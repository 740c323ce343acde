/**
 * Models that pass through functions of other files: `model = patch(model)`, `tokenizer, model, _ = load_pretrained_model(path, device_map="auto")`.
 *
 * What such a function returns cannot be seen. When the program goes on to call the result a model, it most likely is that one; it stays one
 * alternative beside "unknown", so that rules which need certainty keep silent.
 */
import type { CallSite } from './calls';
import { joinValues } from './join';
import { optionsOf, unknown, type RefValue, type Value } from './values';

const modelName = /(^|_)(model|vlm|llm)$/i;

/** The first model among the arguments, as the callee may hand it back. */
export function perhapsGivenModel({ interpreter, args }: CallSite): Value | undefined {
  for (const { value } of [...args.positional, ...args.keywords.values()]) {
    const [first] = interpreter.modelsIn(value);
    if (first) {
      return perhaps(first.ref);
    }
  }
  return undefined;
}

export function perhaps(model: RefValue): Value {
  return { kind: 'perhapsModel', model };
}

/** The value once it has a name: a possible model that is not called one is forgotten. */
export function underName(value: Value, name: string): Value {
  const options = optionsOf(value);
  if (!options.some((option) => option.kind === 'perhapsModel')) {
    return value;
  }
  return options.map((option) => (option.kind !== 'perhapsModel' ? option : modelName.test(name) ? joinValues(option.model, unknown) : unknown)).reduce(joinValues);
}
