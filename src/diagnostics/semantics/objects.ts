/** Classes of the file and their objects: attributes, methods, construction. */
import type { CallArguments } from './parameters';
import { variableKey } from './frame';
import type { Interpreter } from './interpreter';
import type { ClassValue, InstanceObject, RefValue, Value } from './values';

/** A class attribute or method, looked up through the bases this file defines. */
export function classAttribute(interpreter: Interpreter, cls: ClassValue, name: string): Value | undefined {
  const own = interpreter.state.get(variableKey(cls.frame, name));
  if (own) {
    return own;
  }
  for (const base of cls.bases) {
    const inherited = base.kind === 'class' && base.def !== cls.def ? classAttribute(interpreter, base, name) : undefined;
    if (inherited) {
      return inherited;
    }
  }
  return undefined;
}

export function instantiate(interpreter: Interpreter, cls: ClassValue, args: CallArguments | undefined): RefValue {
  const ref = interpreter.allocate({ kind: 'instance', cls, attributes: new Map() });
  interpreter.definitions.instances.set(cls.def, ref);
  const init = classAttribute(interpreter, cls, '__init__');
  if (init?.kind === 'function') {
    interpreter.call({ ...init, self: ref, owner: cls }, args);
  }
  return ref;
}

export function instanceAttribute(interpreter: Interpreter, instance: InstanceObject, self: RefValue, name: string): Value | undefined {
  const own = instance.attributes.get(name);
  if (own) {
    return own;
  }
  const inherited = classAttribute(interpreter, instance.cls, name);
  return inherited?.kind === 'function' ? { ...inherited, self, owner: instance.cls } : inherited;
}
