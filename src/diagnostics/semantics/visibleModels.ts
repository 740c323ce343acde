/** Which models have names at a spot of the program: what a fix may write there. */
import type { Frame } from './frame';
import { variableKey } from './frame';
import type { Interpreter } from './interpreter';
import { optionsOf, type Value } from './values';

/** Every model that has a name here: model id → dotted names, the shortest and innermost first. */
export function visibleModels(interpreter: Interpreter, frame: Frame): ReadonlyMap<number, readonly string[]> {
  const found = new Map<number, string[]>();
  if (interpreter.facts.finalModels.size === 0) {
    return found;
  }
  const add = (value: Value | undefined, text: string): void => {
    for (const option of value ? optionsOf(value) : []) {
      if (option.kind === 'ref' && interpreter.object(option)?.kind === 'model') {
        const names = found.get(option.id) ?? [];
        if (!names.includes(text)) {
          found.set(option.id, [...names, text]);
        }
      }
    }
  };
  for (let current: Frame | undefined = frame; current; current = current.parent) {
    for (const name of current.modelNames) {
      if (interpreter.lookup(name, frame) === interpreter.state.get(variableKey(current, name))) {
        add(interpreter.lookup(name, frame), name);
      }
    }
    if (current.self) {
      const instance = interpreter.object(current.self.value);
      if (instance?.kind === 'instance') {
        instance.attributes.forEach((value, name) => add(value, `${current.self?.name}.${name}`));
      }
    }
  }
  return found;
}
