import type { Finding, Fix } from '../finding';
import { isAccelerator } from '../semantics/devices';
import type { ModelCall, TensorArgument } from '../semantics/facts';
import { distinctBySpan, isOnAccelerator } from './modelState';
import type { Rule, RuleContext } from './rule';

/** GLM106: some tensors of one call were moved, others were forgotten. */
export const partialMove: Rule = {
  code: 'GLM106',
  name: 'partial-move',
  severity: 'warning',
  isOnByDefault: true,
  fixSafety: 'safe',
  pages: {
    en: {
      title: 'Only some of the tensors were moved',
      what: ['Reports the tensors of one model call that were left on the CPU while others of the same call were moved.'],
      why: ['`attention_mask`, `position_ids` or `pixel_values` left behind stop the first operation that needs both, with "Expected all tensors to be on the same device".'],
      example: {
        bad: 'input_ids = inputs["input_ids"].to(model.device)\nattention_mask = inputs["attention_mask"]\nmodel.generate(input_ids, attention_mask=attention_mask)',
        good: 'input_ids = inputs["input_ids"].to(model.device)\nattention_mask = inputs["attention_mask"]\nmodel.generate(input_ids, attention_mask=attention_mask.to(model.device))',
      },
      fix: ['Moves the others where they are handed over, to the device of the model, or to the device the first ones were moved to.'],
      options: [],
      limits: ['Several tensors left behind in one call are one finding with related locations.', 'Silent for a model that visibly stays on the CPU, for the mask of a Bloom or MPT model, which takes it along by itself, and where labels, or the mask of a direct forward pass, are all that was left: the loss and most models take those along.', 'Tensors that a model reads in Python (`image_grid_thw`, sizes, lengths) may stay on the CPU.'],
    },
    zh: {
      title: '只移动了一部分张量',
      what: ['报告同一次模型调用中被留在 CPU 上的张量，而该调用的其他张量已被移动。'],
      why: ['留下的 `attention_mask`、`position_ids` 或 `pixel_values` 会让第一个同时用到两者的算子报 "Expected all tensors to be on the same device"。'],
      example: {
        bad: 'input_ids = inputs["input_ids"].to(model.device)\nattention_mask = inputs["attention_mask"]\nmodel.generate(input_ids, attention_mask=attention_mask)',
        good: 'input_ids = inputs["input_ids"].to(model.device)\nattention_mask = inputs["attention_mask"]\nmodel.generate(input_ids, attention_mask=attention_mask.to(model.device))',
      },
      fix: ['在传参处把其余张量移动到模型的设备，或移动到前几个张量所去的设备。'],
      options: [],
      limits: ['一次调用中遗漏的多个张量是一条带相关位置的报告。', '模型明显留在 CPU 上时保持沉默；Bloom 与 MPT 模型会自行移动掩码，其 `attention_mask` 不报告；若只遗漏了 `labels`，或直接前向计算的掩码，也不报告：损失函数与多数模型会自行移动它们。', '由 Python 读取的张量（`image_grid_thw`、尺寸、长度）可以留在 CPU 上。'],
    },
  },
  check(context) {
    return distinctBySpan(context.facts.modelCalls.flatMap((call) => checkCall(context, call)));
  },
};

function isMoved(tensor: TensorArgument): boolean {
  return tensor.places.length > 0 && tensor.places.every((place) => place.kind === 'moved' && isAccelerator(place.device));
}

/** Lengths and sizes are read by Python, on the CPU. */
const sizeName = /(^|_)(sizes?|lengths?)$/;

function isLeft(tensor: TensorArgument): boolean {
  return !(tensor.keyword !== undefined && sizeName.test(tensor.keyword)) && tensor.places.length > 0 && tensor.places.every((place) => place.kind === 'unmoved' || place.kind === 'loaded');
}

/** Their forward() takes the mask along by itself. */
const takingMaskAlong = /^(\w+\.)*(Bloom|Mpt)[A-Z]\w*\./;

/** Something unknown takes tensors of its own on the CPU (lengths, seeds), and a known model reads some in Python (`image_grid_thw`); what every model computes with is different. */
function isModelInput(tensor: TensorArgument, isKnown: boolean): boolean {
  return tensor.keyword === undefined ? isKnown || tensor.origin?.maker === 'tokenizer' : modelInputs.has(tensor.keyword);
}

const modelInputs = new Set(['input_ids', 'inputs', 'attention_mask', 'token_type_ids', 'position_ids', 'pixel_values', 'input_features', 'inputs_embeds', 'decoder_input_ids']);

/** A loss takes its labels to the logits, and the forward pass of most models takes a mask to the hidden states. */
function isTakenAlong({ keyword }: TensorArgument, { form }: ModelCall): boolean {
  return keyword === 'labels' || (keyword === 'attention_mask' && form === 'forward');
}

function checkCall(context: RuleContext, call: ModelCall): readonly Finding[] {
  const partial = call.tensors.filter((tensor) => tensor.partlyMoved && tensor.expr !== undefined);
  const moved = [...call.tensors.filter(isMoved), ...partial];
  const takesMaskAlong = call.models.length > 0 && call.models.every(({ model }) => takingMaskAlong.test(context.textOf(model.origin)));
  const left = [...call.tensors.filter((tensor) => isLeft(tensor) && !(takesMaskAlong && tensor.keyword === 'attention_mask')), ...partial];
  const isKnown = call.models.length > 0;
  const mayBeOnAccelerator = !isKnown || call.models.every(({ model }) => isOnAccelerator(model) && model.scattersInputs !== true);
  const needed = left.filter((tensor) => isModelInput(tensor, isKnown) && !isTakenAlong(tensor, call));
  const [first, ...others] = left;
  const span = first && (first.expr ?? first.origin?.call);
  if (call.form === 'handed' || moved.length === 0 || !first || !span || !mayBeOnAccelerator || (isKnown ? needed.length === 0 : needed.length < left.length)) {
    return [];
  }
  const names = left.map((tensor) => tensor.keyword ?? (tensor.expr ? context.textOf(tensor.expr) : 'a tensor'));
  return [
    {
      start: span.start,
      end: span.end,
      message: `${names.join(' and ')} ${left.length > 1 ? 'stay' : 'stays'} on the CPU while other tensors of this call were moved.`,
      related: others.flatMap((tensor) => {
        const place = tensor.expr ?? tensor.origin?.call;
        return place ? [{ span: place, message: 'also left on the CPU' }] : [];
      }),
      fix: fixFor(context, call, moved, left),
    },
  ];
}

function fixFor(context: RuleContext, call: ModelCall, moved: readonly TensorArgument[], left: readonly TensorArgument[]): Fix | undefined {
  const device = call.models.length > 0 && call.modelText !== undefined ? `${call.modelText}.device` : deviceTextOf(context, call, moved);
  const edits = left.map((tensor) => (tensor.movable && tensor.expr && tensor.expr.kind !== 'binary' && device !== undefined ? { start: tensor.expr.end, end: tensor.expr.end, text: `.to(${device})` } : undefined));
  return edits.every((edit) => edit !== undefined) ? { title: 'Move the others as well', safety: 'safe', edits: [...edits].sort((a, b) => a.start - b.start) } : undefined;
}

/** How the first tensors were moved, if the same words mean the same at the call. */
function deviceTextOf(context: RuleContext, call: ModelCall, moved: readonly TensorArgument[]): string | undefined {
  for (const place of moved.flatMap((tensor) => tensor.places)) {
    const argument = place.kind === 'moved' && place.move.frame === call.frame ? place.move.deviceArg : undefined;
    if (argument && (argument.kind === 'name' || argument.kind === 'attribute' || argument.kind === 'string')) {
      return context.textOf(argument);
    }
  }
  return undefined;
}
