/**
 * Conditions that settle something: switches the text decides, and questions about where a model lies or how it was loaded.
 *
 * Code behind a switch that is off does not run. Code that asked where the model is knows what it moves, and where to.
 */
import type { ConditionalExpr, Expr, Stmt } from '../syntax/ast';
import { deviceOf } from './devices';
import type { Frame } from './frame';
import type { Interpreter } from './interpreter';
import { joinValues } from './join';
import { optionsOf, spreadingMaps, unknown, type Value } from './values';

/** Names under which loaders and settings ask for a placement. */
const placementName = /^(device|hf_device_map)$|device_map|quant|load_in|(8|4)_?bit|low_bit|parallel|num_gpus|n_gpus?$/i;

/** `if model.device.type != …`, `if device_map is None`, `if not args.load_in_8bit`, `if num_gpus == 1`, `if config is None` of a quantization config. */
export function asksForPlacement(interpreter: Interpreter, test: Expr): boolean {
  const asks = (inner: Expr): boolean => asksForPlacement(interpreter, inner);
  switch (test.kind) {
    case 'name':
      return (test.id !== 'device' && placementName.test(test.id)) || interpreter.placementNames.has(test.id);
    case 'attribute':
      // `self.device` and `args.device` are settings; `model.device` is where the model is.
      if (test.name === 'device' && test.object.kind === 'name' && /^(self|args|cfg|config|opt|opts)$/.test(test.object.id)) {
        return false;
      }
      return placementName.test(test.name) || interpreter.placementNames.has(interpreter.textOf(test)) || asks(test.object);
    case 'unary':
      return asks(test.operand);
    case 'boolean':
      return asks(test.left) || asks(test.right);
    case 'compare':
      return test.operands.some(asks);
    case 'call':
      return asks(test.func) || test.args.some((arg) => (arg.value.kind === 'string' ? placementName.test(arg.value.value ?? '') : asks(arg.value)));
    default:
      return false;
  }
}

/** What a condition says of the model in its two branches: placed by a device_map or a quantizer, or plain; undefined where it says neither. */
export interface BranchPlacement {
  readonly then?: 'placed' | 'plain';
  readonly otherwise?: 'placed' | 'plain';
}

const neither: BranchPlacement = {};
const placed: BranchPlacement = { then: 'placed', otherwise: 'plain' };
const plain: BranchPlacement = { then: 'plain', otherwise: 'placed' };

function inverse(placement: BranchPlacement): BranchPlacement {
  return { then: placement.otherwise, otherwise: placement.then };
}

/** `if device_map is None` → plain, else placed. */
export function placementIn(interpreter: Interpreter, test: Expr): BranchPlacement {
  const of = (inner: Expr): BranchPlacement => placementIn(interpreter, inner);
  switch (test.kind) {
    case 'name':
    case 'attribute': {
      const name = test.kind === 'name' ? test.id : test.name;
      return /device_map|quant|load_in|(8|4)_?bit|low_bit|parallel/i.test(name) || interpreter.placementNames.get(interpreter.textOf(test)) === 'setting' ? placed : neither;
    }
    case 'unary':
      return test.operator === 'not' ? inverse(of(test.operand)) : neither;
    case 'boolean': {
      const [left, right] = [of(test.left), of(test.right)];
      return test.operator === 'and' ? { then: either(left.then, right.then) } : { otherwise: either(left.otherwise, right.otherwise) };
    }
    case 'compare':
      return test.operators.length === 1 ? placementOfComparison(interpreter, test.operators[0] ?? '', test.operands) : neither;
    case 'call':
      return test.args.some((arg) => arg.value.kind === 'string' && /device_map/.test(arg.value.value ?? '')) ? placed : of(test.func);
    default:
      return neither;
  }
}

/** The branch of a condition where a map is known to spread the model: `if device_map == "auto":`. */
export function isWhereSpread(interpreter: Interpreter, test: Expr, branch: 'then' | 'otherwise'): boolean {
  return /device_map/.test(interpreter.textOf(test)) && placementIn(interpreter, test)[branch] === 'placed';
}

function either(a: 'placed' | 'plain' | undefined, b: 'placed' | 'plain' | undefined): 'placed' | 'plain' | undefined {
  return a === 'plain' || b === 'plain' ? 'plain' : (a ?? b);
}

function placementOfComparison(interpreter: Interpreter, operator: string, operands: readonly Expr[]): BranchPlacement {
  const [left, right] = operands;
  if (!left || !right) {
    return neither;
  }
  const isSame = operator === '==' || operator === 'is';
  const isOther = operator === '!=' || operator === 'is not';
  if (right.kind === 'literal' && (isSame || isOther)) {
    return isSame === (right.value === true) ? placementIn(interpreter, left) : inverse(placementIn(interpreter, left));
  }
  const name = left.kind === 'name' ? left.id : left.kind === 'attribute' ? left.name : '';
  if (right.kind === 'string' && spreadingMaps.has(right.value) && /map/.test(name)) {
    return isSame ? placed : isOther ? plain : neither;
  }
  if (right.kind === 'number' && /num_gpus|n_gpus?$/.test(name)) {
    const isMany = (operator === '>' && right.value === 1) || (operator === '>=' && right.value === 2);
    const isOne = (operator === '<=' && right.value === 1) || (operator === '<' && right.value === 2) || (isSame && right.value === 1);
    return isMany ? placed : isOne ? plain : neither;
  }
  return neither;
}

/** Remembers what decided how a model is loaded: `quantization_config=config`, `device_map="auto" if args.spread else None`. */
export function notePlacementNames(interpreter: Interpreter, setting: Expr | undefined, role: 'setting' | 'condition' = 'setting'): void {
  switch (setting?.kind) {
    case 'name':
    case 'attribute':
      if ((setting.kind === 'name' ? setting.id : setting.name) !== 'device') {
        interpreter.placementNames.set(interpreter.textOf(setting), role);
      }
      return;
    case 'unary':
      return notePlacementNames(interpreter, setting.operand, 'condition');
    case 'compare':
      return setting.operands.forEach((operand) => notePlacementNames(interpreter, operand, 'condition'));
    case 'boolean':
      notePlacementNames(interpreter, setting.left, 'condition');
      return notePlacementNames(interpreter, setting.right, 'condition');
    case 'conditional':
      return notePlacementNames(interpreter, setting.test, 'condition');
    default:
      return;
  }
}

/** The truth of a condition where the text decides it: a literal, the main guard, or a name bound once, to True or False. */
export function truthOf(interpreter: Interpreter, test: Expr, value: Value): boolean | undefined {
  switch (test.kind) {
    case 'literal':
    case 'number':
      return Boolean(test.value);
    case 'name':
      return isConstantTruth(value) && interpreter.isBoundOnce(test.id) ? value.value : undefined;
    case 'unary':
      return test.operator === 'not' && test.operand.kind === 'name' && isConstantTruth(value) && interpreter.isBoundOnce(test.operand.id) ? value.value : undefined;
    case 'compare': {
      const isMainGuard = test.operands[0]?.kind === 'name' && test.operands[0].id === '__name__';
      return isMainGuard && value.kind === 'unknown' ? true : undefined;
    }
    default:
      return undefined;
  }
}

function isConstantTruth(value: Value): value is Extract<Value, { kind: 'const' }> & { readonly value: boolean } {
  return value.kind === 'const' && typeof value.value === 'boolean' && value.fromDefault !== true && value.mayDiffer !== true;
}

/** The branch of a condition that runs only where no accelerator is used: `if device == "cpu"`, `if args.cpu`, `if not torch.cuda.is_available()`, the `else` of `if device.type == "cuda"`. */
export function hostBranch(interpreter: Interpreter, test: Expr, value: Value): 'then' | 'otherwise' | undefined {
  switch (test.kind) {
    case 'unary': {
      const inner = test.operator === 'not' ? hostBranch(interpreter, test.operand, value) : undefined;
      return inner && (inner === 'then' ? 'otherwise' : 'then');
    }
    case 'compare': {
      const named = test.operands.find((operand) => operand.kind === 'string');
      const asked = test.operands.find((operand) => operand !== named);
      const operator = test.operators[0];
      if (test.operands.length !== 2 || named?.kind !== 'string' || !asked || !/device/i.test(interpreter.textOf(asked)) || (operator !== '==' && operator !== '!=')) {
        return undefined;
      }
      const isHost = named.value === 'cpu';
      const isAccelerator = /^(cuda|mps|xpu|npu|hpu)\b/.test(named.value ?? '');
      return !isHost && !isAccelerator ? undefined : isHost === (operator === '==') ? 'then' : 'otherwise';
    }
    case 'name':
    case 'attribute':
      if (/^(use_|force_|is_)?cpu(_only)?$|^no_(cuda|gpu)$/i.test(test.kind === 'name' ? test.id : test.name)) {
        return 'then';
      }
      return value.kind === 'availability' ? 'otherwise' : undefined;
    case 'call':
      return value.kind === 'availability' ? 'otherwise' : undefined;
    default:
      return undefined;
  }
}

/** `x if x != "auto" else "auto"` is x whatever it is, and so is `"auto" if x == "auto" else x`. */
export function sameEitherWay(interpreter: Interpreter, { test, then, otherwise }: ConditionalExpr): Expr | undefined {
  if (test.kind !== 'compare' || test.operators.length !== 1) {
    return undefined;
  }
  const [left, right] = test.operands.map((operand) => interpreter.textOf(operand));
  const [first, second] = [interpreter.textOf(then), interpreter.textOf(otherwise)];
  const isPair = (first === left && second === right) || (first === right && second === left);
  const operator = test.operators[0];
  return !isPair ? undefined : operator === '!=' ? then : operator === '==' ? otherwise : undefined;
}

/** In the `else` of `if device == "auto"` a parameter is not its default `"auto"`: the variable, with what it may be in that branch. */
export function excludedDefault(interpreter: Interpreter, test: Expr, frame: Frame): { readonly name: string; readonly branch: 'then' | 'otherwise'; readonly value: Value } | undefined {
  const [left, right] = test.kind === 'compare' && test.operators.length === 1 ? test.operands : [];
  const operator = test.kind === 'compare' ? test.operators[0] : undefined;
  if (left?.kind !== 'name' || right?.kind !== 'string' || (operator !== '==' && operator !== '!=')) {
    return undefined;
  }
  const isDefault = (option: Value): boolean => option.kind === 'const' && option.value === right.value && (option.fromDefault === true || option.mayDiffer === true);
  const options = optionsOf(interpreter.lookup(left.id, frame) ?? unknown);
  const value = options.map((option) => (isDefault(option) ? unknown : option)).reduce(joinValues);
  return options.some(isDefault) ? { name: left.id, branch: operator === '==' ? 'otherwise' : 'then', value } : undefined;
}

/** `device_map="cuda:0" if is_available() else "auto"`: where a GPU exists the map names it, and elsewhere "auto" is the CPU. */
export function whereGpuExists(test: Value, then: Value | undefined, otherwise: Value | undefined): Value | undefined {
  const isOneGpu = test.kind === 'availability' && then?.kind === 'device' && then.device.kind === 'availability';
  return isOneGpu && otherwise?.kind === 'const' && spreadingMaps.has(otherwise.value) ? then : undefined;
}

/** `cpu if self.uses_device_map else self.device`: a device picked by where the model is. */
export function pickedByPlacement(interpreter: Interpreter, test: Expr, alternatives: readonly Value[]): Value | undefined {
  const areDevices = alternatives.every((alternative) => optionsOf(alternative).every((option) => option.kind === 'device'));
  return areDevices && asksForPlacement(interpreter, test) ? { kind: 'device', device: { kind: 'unknown' } } : undefined;
}

/** `if model.device != device: raise …`: from here on the model is where the program said, whatever its map was. */
export function settleDevice(interpreter: Interpreter, test: Expr, frame: Frame): void {
  if (test.kind !== 'compare' || test.operators.length !== 1 || test.operators[0] !== '!=') {
    return;
  }
  const sides = test.operands.map((operand) => interpreter.evaluate(operand, frame));
  const asked = sides.find((side) => modelsAsked(side).length > 0);
  const expected = sides.find((side) => side !== asked);
  const device = expected && deviceOf(expected);
  for (const id of asked && device ? modelsAsked(asked) : []) {
    const model = interpreter.state.object(id);
    if (model?.kind === 'model' && device) {
      interpreter.update({ kind: 'ref', id }, { ...model, deviceMaps: [{ kind: 'single', device }] });
    }
  }
}

/** The models whose device a value is. */
function modelsAsked(value: Value): readonly number[] {
  return optionsOf(value).flatMap((option) => (option.kind === 'device' && option.device.kind === 'model' ? [option.device.modelId] : []));
}

/** Statements are shared between the texts of an editing session, so this outlives one run. */
const knownBindings = new WeakMap<Stmt, ReadonlyMap<string, number>>();

/** How often each name is bound anywhere in these statements, as a variable, parameter, import or definition. */
export function countBindings(statements: readonly Stmt[]): ReadonlyMap<string, number> {
  const total = new Map<string, number>();
  for (const statement of statements) {
    bindingsOf(statement).forEach((count, name) => total.set(name, (total.get(name) ?? 0) + count));
  }
  return total;
}

interface BindingNode {
  readonly kind?: string;
  readonly name?: unknown;
  readonly alias?: unknown;
  readonly names?: unknown;
  readonly params?: readonly { readonly name: string }[];
  readonly targets?: readonly Expr[];
  readonly target?: Expr;
}

function bindingsOf(statement: Stmt): ReadonlyMap<string, number> {
  const found = knownBindings.get(statement);
  if (found) {
    return found;
  }
  const counts = new Map<string, number>();
  const bind = (name: unknown): void => {
    if (typeof name === 'string') {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  };
  const bindTarget = (target: Expr): void => {
    if (target.kind === 'name') {
      bind(target.id);
    } else if (target.kind === 'sequence') {
      target.items.forEach(bindTarget);
    } else if (target.kind === 'star') {
      bindTarget(target.value);
    }
  };
  const waiting: object[] = [statement];
  for (let current = waiting.pop(); current; current = waiting.pop()) {
    const node = current as BindingNode;
    node.targets?.forEach(bindTarget);
    if (node.target !== undefined) {
      bindTarget(node.target);
    }
    node.params?.forEach((param) => bind(param.name));
    if (node.kind === 'function' || node.kind === 'class') {
      bind(node.name);
    }
    if ((node.kind === 'broken' || node.kind === 'scope') && Array.isArray(node.names)) {
      node.names.forEach(bind);
    }
    if (node.kind === 'import' && Array.isArray(node.names)) {
      node.names.forEach((imported: { readonly name: string; readonly alias?: string }) => bind(imported.alias ?? imported.name));
    }
    for (const inner of Object.values(current)) {
      if (typeof inner === 'object' && inner !== null) {
        waiting.push(inner as object);
      }
    }
  }
  knownBindings.set(statement, counts);
  return counts;
}
