/** Attribute access: `model.device`, `inputs.input_ids`, `self.model`, `torch.cuda`. */
import type { AttributeExpr } from '../syntax/ast';
import { batchItem } from './containers';
import type { Interpreter } from './interpreter';
import { joinValues } from './join';
import { noArguments } from './parameters';
import { optionsOf, plain, unknown, type TensorValue, type Value } from './values';

export function attributeOf(interpreter: Interpreter, object: Value, expr: AttributeExpr): Value {
  return optionsOf(object)
    .map((option) => attributeOfOption(interpreter, option, expr))
    .reduce(joinValues);
}

/** Attributes of a model that are the same model, or lie where it lies. */
const sameModel = new Set(['module', 'model', 'base_model', 'pretrained_model', 'unwrapped_model', '_orig_mod']);

function attributeOfOption(interpreter: Interpreter, value: Value, expr: AttributeExpr): Value {
  const { name } = expr;
  switch (value.kind) {
    case 'module':
      return { kind: 'module', path: `${value.path}.${name}` };
    case 'tensor':
      return tensorAttribute(value, expr);
    case 'class':
      // A class of this file that inherits a loader from a library.
      return interpreter.classAttribute(value, name) ?? (name === 'from_pretrained' ? { kind: 'module', path: `local.${value.def.name}.${name}` } : unknown);
    case 'elapsed':
      return value;
    case 'device':
      return name === 'type' ? value : unknown;
    case 'ref':
      break;
    case 'unknown':
    case 'plain':
      return { kind: 'method', receiver: value, name, expr: expr.object };
    default:
      return { kind: 'method', receiver: value, name, expr: expr.object };
  }
  const heapObject = interpreter.object(value);
  switch (heapObject?.kind) {
    case 'instance': {
      const attribute = interpreter.instanceAttribute(heapObject, value, name);
      const isProperty = attribute?.kind === 'function' && attribute.def.kind === 'function' && attribute.def.decorators.some((decorator) => (decorator.kind === 'name' && /(^|cached_)property$/.test(decorator.id)) || (decorator.kind === 'attribute' && decorator.name === 'cached_property'));
      return attribute?.kind === 'function' && isProperty ? interpreter.call(attribute, noArguments) : (attribute ?? { kind: 'method', receiver: value, name, expr: expr.object });
    }
    case 'model':
      if (name === 'device') {
        return { kind: 'device', device: { kind: 'model', modelId: value.id } };
      }
      if (name === 'hf_device_map') {
        return interpreter.allocate({ kind: 'dict', entries: new Map(), rest: { kind: 'device', device: { kind: 'model', modelId: value.id } } });
      }
      // What is set on the configuration is what generate() starts from, in older releases.
      if (name === 'generation_config' || name === 'config') {
        if (heapObject.generationConfig) {
          return heapObject.generationConfig;
        }
        const config = interpreter.allocate({ kind: 'dict', entries: new Map() });
        interpreter.update(value, { ...heapObject, generationConfig: config });
        return config;
      }
      return sameModel.has(name) ? value : { kind: 'method', receiver: value, name, expr: expr.object };
    case 'batch':
      if (name === 'data') {
        return value;
      }
      return isMethodOfBatch(name) ? { kind: 'method', receiver: value, name, expr: expr.object } : batchItem(heapObject, value.id, name);
    case 'pipeline':
      return name === 'model' ? heapObject.model : name === 'tokenizer' ? heapObject.tokenizer : name === 'device' ? unknown : { kind: 'method', receiver: value, name, expr: expr.object };
    case 'tokenizer':
      return name === 'tokenizer' ? value : { kind: 'method', receiver: value, name, expr: expr.object };
    case 'dict':
      return heapObject.entries.get(name) ?? { kind: 'method', receiver: value, name, expr: expr.object };
    default:
      return { kind: 'method', receiver: value, name, expr: expr.object };
  }
}

const batchMethods = new Set(['to', 'cuda', 'cpu', 'items', 'keys', 'values', 'get', 'pop', 'update', 'copy', 'convert_to_tensors', 'word_ids', 'char_to_token', 'setdefault', 'half', 'float', 'bfloat16']);

function isMethodOfBatch(name: string): boolean {
  return batchMethods.has(name);
}

function tensorAttribute(tensor: TensorValue, expr: AttributeExpr): Value {
  switch (expr.name) {
    case 'device':
      return { kind: 'device', device: deviceOfTensor(tensor) };
    case 'shape':
    case 'dtype':
    case 'ndim':
      return plain;
    case 'T':
    case 'data':
    case 'mT':
      return tensor;
    default:
      return { kind: 'method', receiver: tensor, name: expr.name, expr: expr.object };
  }
}

function deviceOfTensor(tensor: TensorValue): { readonly kind: 'unknown' } | { readonly kind: 'literal'; readonly name: string } | { readonly kind: 'model'; readonly modelId: number } {
  const [place] = tensor.places;
  return tensor.places.length === 1 && place?.kind === 'moved' && place.device.kind === 'model' ? place.device : { kind: 'unknown' };
}
