/**
 * Which functions may change what others see: told from their text alone, once per function, so that following a file twice costs less.
 *
 * Errs on the side of "may": a function without effects is one that could be followed and forgotten.
 */
import type { CallExpr, Expr, FunctionStmt } from '../syntax/ast';

interface OwnEffects {
  readonly isEffective: boolean;
  /** Names of what it calls: `load` for `load()` and for `self.load()`. */
  readonly calls: ReadonlySet<string>;
}

/** Statements are shared between the texts of an editing session, so this outlives one run. */
const known = new WeakMap<FunctionStmt, OwnEffects>();

const storing = new Set(['append', 'add', 'extend', 'insert', 'update', 'setdefault', 'put', '__setitem__', '__setattr__']);
const moving = new Set(['to', 'cuda', 'cpu']);

/** The names of functions whose call may change an attribute, an item, a global name, or move a model in place. */
export function effectiveNames(functions: Iterable<FunctionStmt>): ReadonlySet<string> {
  const all = [...functions].map((def) => ({ name: def.name, ...effectsOf(def) }));
  const effective = new Set(all.filter((one) => one.isEffective).map((one) => one.name));
  for (let size = -1; size !== effective.size; ) {
    size = effective.size;
    for (const one of all) {
      if (!effective.has(one.name) && [...one.calls].some((called) => effective.has(called))) {
        effective.add(one.name);
      }
    }
  }
  return effective;
}

function effectsOf(def: FunctionStmt): OwnEffects {
  const found = known.get(def);
  if (found) {
    return found;
  }
  let isEffective = false;
  const calls = new Set<string>();
  const waiting: object[] = [def.body];
  for (let current = waiting.pop(); current; current = waiting.pop()) {
    const node = current as { readonly kind?: string; readonly targets?: readonly Expr[]; readonly target?: Expr };
    switch (node.kind) {
      case 'scope':
        isEffective = true;
        break;
      case 'assign':
        isEffective ||= node.targets?.some(isStored) === true;
        break;
      case 'augmented':
      case 'for':
        isEffective ||= node.target !== undefined && isStored(node.target);
        break;
      case 'call': {
        const call = current as CallExpr;
        const name = call.func.kind === 'name' ? call.func.id : call.func.kind === 'attribute' ? call.func.name : undefined;
        if (name !== undefined) {
          calls.add(name);
        }
        isEffective ||= name === 'setattr' || (call.func.kind === 'attribute' && mayStore(call, call.func.name, call.func.object));
        break;
      }
    }
    for (const inner of Object.values(current)) {
      if (typeof inner === 'object' && inner !== null) {
        waiting.push(inner as object);
      }
    }
  }
  const effects = { isEffective, calls };
  known.set(def, effects);
  return effects;
}

function isStored(target: Expr): boolean {
  return target.kind === 'attribute' || target.kind === 'subscript' || (target.kind === 'sequence' && target.items.some(isStored)) || (target.kind === 'star' && isStored(target.value));
}

/** `cache.append(model)`, `self.model.to(device)`; what holds only text and numbers is of no interest. */
function mayStore(call: CallExpr, name: string, receiver: Expr): boolean {
  if (storing.has(name)) {
    return call.args.some((arg) => !isPlainLiteral(arg.value));
  }
  return moving.has(name) && (receiver.kind !== 'name' || /model/i.test(receiver.id));
}

function isPlainLiteral(expr: Expr): boolean {
  return expr.kind === 'string' || expr.kind === 'number' || expr.kind === 'literal' || (expr.kind === 'dict' && expr.entries.every((entry) => isPlainLiteral(entry.value) || entry.value.kind === 'name'));
}
