/** The arguments of a call, and how they reach the parameters of a function that is inlined. */
import type { Expr, FunctionStmt } from '../syntax/ast';
import type { Frame } from './frame';
import type { Interpreter } from './interpreter';
import { joinValues } from './join';
import { none, unknown, type FunctionValue, type Value } from './values';

export interface CallArguments {
  readonly positional: readonly { readonly value: Value; readonly expr?: Expr }[];
  readonly keywords: ReadonlyMap<string, { readonly value: Value; readonly expr?: Expr }>;
  /** `**x` at the call. */
  readonly mappings: readonly { readonly value: Value; readonly expr?: Expr }[];
  /** `*x` at the call: positions are unknown. */
  readonly hasListUnpack: boolean;
}

export const noArguments: CallArguments = { positional: [], keywords: new Map(), mappings: [], hasListUnpack: false };

export function bindParameters(interpreter: Interpreter, target: FunctionValue, args: CallArguments | undefined, frame: Frame): void {
  const params = [...target.def.params];
  const isStatic = target.def.kind === 'function' && target.def.decorators.some((decorator) => decorator.kind === 'name' && decorator.id === 'staticmethod');
  if (target.self && !isStatic) {
    const self = params.shift();
    if (self) {
      interpreter.bind(self.name, target.self, frame);
      frame.self = { name: self.name, value: target.self };
    }
  }
  const positional = [...(args?.positional ?? [])];
  const keywords = new Map<string, { readonly value: Value }>([...(target.bound ?? [])].map(([name, value]) => [name, { value }] as const));
  args?.keywords.forEach((arg, name) => keywords.set(name, arg));
  const spread = new Map<string, Value>();
  let restKnown = true;
  for (const { value } of args?.mappings ?? []) {
    const object = interpreter.object(value);
    if (object?.kind === 'dict') {
      object.entries.forEach((entry, key) => spread.set(key, entry));
      restKnown &&= object.rest === undefined;
    } else {
      restKnown = false;
    }
  }
  for (const param of params) {
    if (param.form === 'list') {
      const element = positional.length > 0 ? positional.map((arg) => arg.value).reduce(joinValues) : unknown;
      interpreter.bind(param.name, interpreter.allocate({ kind: 'list', element, items: args?.hasListUnpack ? undefined : positional.map((arg) => arg.value) }), frame);
      positional.length = 0;
    } else if (param.form === 'mapping') {
      const entries = new Map(spread);
      keywords.forEach((arg, key) => entries.set(key, arg.value));
      const single = args?.mappings.length === 1 && keywords.size === 0 ? args.mappings[0]?.value : undefined;
      const rest = args && restKnown ? undefined : unknown;
      interpreter.bind(param.name, single && !restKnown ? single : interpreter.allocate({ kind: 'dict', entries, rest }), frame);
    } else {
      const given = args?.hasListUnpack ? undefined : positional.shift();
      const byName = keywords.get(param.name)?.value ?? spread.get(param.name);
      keywords.delete(param.name);
      spread.delete(param.name);
      interpreter.bind(param.name, given?.value ?? byName ?? defaultOf(interpreter, param, args, target.closure, restKnown), frame);
    }
  }
}

/** What a parameter holds that the call does not mention. */
function defaultOf(interpreter: Interpreter, param: FunctionStmt['params'][number], args: CallArguments | undefined, closure: Frame, restKnown: boolean): Value {
  const { defaultValue } = param;
  if (!args && param.name === 'device_map' && defaultValue?.kind === 'string' && defaultValue.value !== undefined) {
    return { kind: 'const', value: defaultValue.value, fromDefault: true, mayDiffer: true };
  }
  const annotated = param.annotation !== undefined && /\b(Long|Float|Int|Half|BFloat16)?Tensor$/.test(param.annotation.replace(/^Optional\[(.*)\]$/, '$1'));
  const isCpuByDefault = param.defaultValue?.kind === 'string' && param.defaultValue.value === 'cpu';
  // `device=None`, and then `device or ("cuda" if is_available() else "cpu")`: the file says what it is where nobody says anything else.
  if (!args && /device|map/i.test(param.name) && defaultValue?.kind === 'literal' && defaultValue.value === null) {
    return none;
  }
  if ((!args && !isCpuByDefault) || args?.hasListUnpack || !restKnown || !param.defaultValue) {
    return annotated ? { kind: 'tensor', places: [{ kind: 'unknown' }] } : unknown;
  }
  const value = interpreter.evaluate(param.defaultValue, closure);
  return value.kind === 'const' ? { ...value, fromDefault: true } : value;
}
