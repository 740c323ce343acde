/** Binding targets: names, attributes, items, patterns; and statements that throw a moved tensor away. */
import type { CallExpr, Expr, ExpressionStmt } from '../syntax/ast';
import { elementAt, iterate, storeItem } from './containers';
import type { Frame } from './frame';
import type { Interpreter } from './interpreter';
import { sameDevice } from './join';
import { underName } from './perhapsModel';
import { tagAvailability } from './statements';
import { optionsOf, stringOf, unknown, type Place, type TensorValue, type Value } from './values';

export function assignTo(interpreter: Interpreter, target: Expr, value: Value, frame: Frame): void {
  switch (target.kind) {
    case 'name':
      interpreter.bind(target.id, tagAvailability(interpreter, value), frame);
      return;
    case 'attribute': {
      const object = interpreter.evaluate(target.object, frame);
      for (const option of optionsOf(object)) {
        setAttribute(interpreter, option, target.name, tagAvailability(interpreter, value));
      }
      return;
    }
    case 'subscript': {
      const object = interpreter.evaluate(target.object, frame);
      const key = target.index[0] ? interpreter.evaluate(target.index[0], frame) : unknown;
      for (const option of optionsOf(object)) {
        storeItem(interpreter, option, key, value);
      }
      return;
    }
    case 'sequence': {
      const star = target.items.findIndex((item) => item.kind === 'star');
      target.items.forEach((item, position) => {
        const itemValue = star >= 0 && position >= star ? iterate(interpreter, value).element : elementAt(interpreter, value, position);
        assignTo(interpreter, item.kind === 'star' ? item.value : item, item.kind === 'star' ? unknown : itemValue, frame);
      });
      return;
    }
    case 'star':
      assignTo(interpreter, target.value, unknown, frame);
      return;
    default:
      return;
  }
}

function setAttribute(interpreter: Interpreter, owner: Value, name: string, value: Value): void {
  const object = interpreter.object(owner);
  if (owner.kind !== 'ref' || !object) {
    return;
  }
  if (object.kind === 'instance') {
    interpreter.update(owner, { ...object, attributes: new Map(object.attributes).set(name, underName(value, name)) });
  } else if (object.kind === 'tokenizer' && name === 'padding_side') {
    interpreter.update(owner, { ...object, paddingSide: value });
  } else if (object.kind === 'dict') {
    interpreter.update(owner, { ...object, entries: new Map(object.entries).set(name, value) });
  } else if (object.kind === 'model' && name === 'generation_config') {
    interpreter.update(owner, { ...object, generationConfig: value });
  } else if (object.kind === 'batch') {
    interpreter.update(owner, { ...object, fields: new Map(object.fields).set(name, value) });
  }
}

/** Evaluates an expression statement; a tensor that only it moves is noted. */
export function recordDiscardedMove(interpreter: Interpreter, statement: ExpressionStmt, frame: Frame): void {
  const result = interpreter.evaluate(statement.value, frame);
  const call = statement.value;
  if (!interpreter.isRecording || call.kind !== 'call' || !isMoveCall(call) || call.func.kind !== 'attribute') {
    return;
  }
  const receiver = call.func.object;
  if (!isStorable(receiver) || !optionsOf(result).some((option) => option.kind === 'tensor' && isMovedBy(option, call))) {
    return;
  }
  const before = interpreter.evaluate(receiver, frame);
  const tensor: TensorValue | undefined = before.kind === 'tensor' ? before : before.kind === 'unknown' && isTensorItem(interpreter, receiver, frame) ? { kind: 'tensor', places: [{ kind: 'unknown' }] } : undefined;
  if (tensor && !isThereAlready(interpreter, tensor, result, call)) {
    interpreter.facts.discardedMoves.push({ call, receiver, tensor, isDisplayed: interpreter.displayed.has(statement.start) });
  }
}

/** Moved to the same device before, by the same words: a copy of a copy is missed by nobody. */
function isThereAlready(interpreter: Interpreter, { places }: TensorValue, result: Value, call: CallExpr): boolean {
  const moves = optionsOf(result).flatMap((option) => (option.kind === 'tensor' ? option.places : []));
  const target = moves.find((place) => place.kind === 'moved' && place.move.call === call);
  const wordsOf = (place: Place): string | undefined => (place.kind === 'moved' && place.move.deviceArg ? interpreter.textOf(place.move.deviceArg) : undefined);
  return target?.kind === 'moved' && places.every((place) => place.kind === 'moved' && (wordsOf(place) === wordsOf(target) || (place.device.kind !== 'unknown' && sameDevice(place.device, target.device))));
}

/** What models call their tensors: whatever batch it is, its item of this name is one. */
const tensorFields = new Set(['input_ids', 'attention_mask', 'token_type_ids', 'position_ids', 'labels', 'pixel_values', 'decoder_input_ids', 'inputs_embeds', 'input_features', 'input_values']);

/** `batch["input_ids"]` of a batch that nobody knows. */
function isTensorItem(interpreter: Interpreter, receiver: Expr, frame: Frame): boolean {
  const index = receiver.kind === 'subscript' ? receiver.index[0] : undefined;
  return receiver.kind === 'subscript' && receiver.index.length === 1 && index !== undefined && tensorFields.has(stringOf(interpreter.evaluate(index, frame)) ?? '');
}

function isMoveCall(call: CallExpr): boolean {
  return call.func.kind === 'attribute' && (call.func.name === 'to' || call.func.name === 'cuda');
}

function isMovedBy(value: Extract<Value, { kind: 'tensor' }>, call: CallExpr): boolean {
  return value.places.some((place) => place.kind === 'moved' && place.move.call === call);
}

function isStorable(expr: Expr): boolean {
  return expr.kind === 'name' || (expr.kind === 'attribute' && isStorable(expr.object)) || (expr.kind === 'subscript' && isStorable(expr.object));
}
