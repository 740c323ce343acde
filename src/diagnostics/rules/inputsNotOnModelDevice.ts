import type { Finding, Fix } from '../finding';
import type { ModelCall, TensorArgument } from '../semantics/facts';
import type { Origin } from '../semantics/values';
import { distinctBySpan, isLeftBehind, isMovedSomewhere, isOnAccelerator, modelDeviceAt } from './modelState';
import type { Rule, RuleContext } from './rule';

/** GLM101: the inputs of a model on an accelerator are still on the CPU. */
export const inputsNotOnModelDevice: Rule = {
  code: 'GLM101',
  name: 'inputs-not-on-model-device',
  severity: 'warning',
  isOnByDefault: true,
  fixSafety: 'safe',
  pages: {
    en: {
      title: 'Inputs are not on the model’s device',
      what: [
        'Reports tensors from a tokenizer, a processor, `apply_chat_template` or a torch factory that reach `model.generate(…)`, `model(…)` or a chat method without being moved, while the model visibly lies on an accelerator.',
        'A model lies there when it was loaded with a `device_map`, or moved with `.cuda()`, `.to("cuda")` or `.to(device)`.',
      ],
      why: [
        'Tokenizers create tensors on the CPU, always.',
        'Without `device_map` hooks the first embedding lookup fails: "Expected all tensors to be on the same device".',
        'With them `generate()` warns that "`input_ids` is on cpu, whereas the model is on cuda", and tensors are copied over the bus at every step.',
      ],
      example: {
        bad: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer("Hello", return_tensors="pt")\nmodel.generate(**inputs, max_new_tokens=32)',
        good: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer("Hello", return_tensors="pt").to(model.device)\nmodel.generate(**inputs, max_new_tokens=32)',
      },
      fix: ['Appends `.to(model.device)`, with the name the model has at that spot, to the call that creates the tensors.', 'When the model has no name there, the inputs are moved where the model is called.'],
      options: [],
      limits: ['Functions, methods and attributes of one file are followed; what other files do is not known and keeps the rule silent.', 'An argument that some path moves and another does not is not reported.', 'In a script whose own function moves the model, functions above that one which nobody calls find the model where it was loaded.'],
    },
    zh: {
      title: '输入不在模型所在的设备上',
      what: ['报告由分词器、处理器、`apply_chat_template` 或 torch 工厂函数产生、未经移动就传给 `model.generate(…)`、`model(…)` 或对话方法的张量，而模型明显位于加速器上。', '模型以 `device_map` 加载，或经 `.cuda()`、`.to("cuda")`、`.to(device)` 移动，即视为位于加速器上。'],
      why: ['分词器总是在 CPU 上创建张量。', '没有 `device_map` 钩子时，第一次查嵌入就会失败："Expected all tensors to be on the same device"。', '有钩子时 `generate()` 会警告 "`input_ids` is on cpu, whereas the model is on cuda"，并且每一步都要经总线拷贝张量。'],
      example: {
        bad: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer("你好", return_tensors="pt")\nmodel.generate(**inputs, max_new_tokens=32)',
        good: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer("你好", return_tensors="pt").to(model.device)\nmodel.generate(**inputs, max_new_tokens=32)',
      },
      fix: ['在创建张量的调用之后追加 `.to(model.device)`，使用模型在该处的真实名字。', '若该处看不到模型，则在调用模型的地方移动输入。'],
      options: [],
      limits: ['只跟踪同一文件内的函数、方法和属性；其他文件的行为未知时规则保持沉默。', '在某条路径上已移动、另一条路径上未移动的参数不报告。', '若脚本自身调用的函数移动了模型，则位于该函数之前且无人调用的函数视模型仍在加载之处。'],
    },
  },
  check(context) {
    return distinctBySpan(context.facts.modelCalls.flatMap((call) => checkCall(context, call)));
  },
};

function checkCall(context: RuleContext, call: ModelCall): readonly Finding[] {
  const left = call.tensors.filter(isLeftBehind);
  // What an unseen function does with its tensors before it calls the model is not known.
  if (call.form === 'handed' || left.length === 0 || call.tensors.some(isMovedSomewhere) || call.models.length === 0 || !call.models.every(({ model }) => isOnAccelerator(model)) || call.models.some(({ model }) => model.library === 'foreign' || model.scattersInputs === true)) {
    return [];
  }
  // Where the callee may be something else, or its class cannot be seen, tensors of torch may be meant for the CPU.
  const isSurelyModel = call.certain && call.models.every(({ model }) => model.library !== 'unseen');
  const origins = left
    .map((tensor) => tensor.origin)
    .filter((origin) => origin !== undefined)
    .filter((origin) => isSurelyModel || origin.maker === 'tokenizer');
  const distinct = origins.filter((origin, position) => origins.findIndex((other) => other.call === origin.call) === position);
  const [first, ...others] = distinct;
  if (!first) {
    return [];
  }
  const callee = call.modelText === undefined ? 'the model' : `\`${call.modelText}\``;
  return [
    {
      start: first.call.start,
      end: first.call.end,
      message: `${subjectOf(left)} on the CPU, but ${callee} is on an accelerator: move ${left.length > 1 ? 'them' : 'it'} with \`.to(${call.modelText ?? 'model'}.device)\` before the call.`,
      related: [{ span: call.call, message: `${context.textOf(call.call.func)}(…) receives ${left.length > 1 ? 'them' : 'it'} here` }, ...others.map((origin) => ({ span: origin.call, message: 'also left on the CPU' }))],
      fix: fixFor(call, left, distinct),
    },
  ];
}

function subjectOf(left: readonly TensorArgument[]): string {
  const names = left.map((tensor) => tensor.keyword).filter((name) => name !== undefined);
  if (names.length > 0 && names.length === left.length) {
    return `${names.join(' and ')} ${names.length > 1 ? 'stay' : 'stays'}`;
  }
  return left.length > 1 ? 'The inputs stay' : 'The input stays';
}

function fixFor(call: ModelCall, left: readonly TensorArgument[], origins: readonly Origin[]): Fix | undefined {
  const atOrigins = origins.map((origin) => {
    const device = modelDeviceAt(origin, call);
    return device === undefined ? undefined : { start: origin.call.end, end: origin.call.end, text: `.to(${device})` };
  });
  const title = 'Move the inputs to the model’s device';
  if (atOrigins.every((edit) => edit !== undefined)) {
    return { title, safety: 'safe', edits: [...atOrigins].sort((a, b) => a.start - b.start) };
  }
  const atCall = left.map((tensor) => {
    const canAppend = tensor.movable && (tensor.expr?.kind === 'name' || tensor.expr?.kind === 'attribute' || tensor.expr?.kind === 'subscript' || tensor.expr?.kind === 'call');
    return canAppend && tensor.expr && call.modelText !== undefined ? { start: tensor.expr.end, end: tensor.expr.end, text: `.to(${call.modelText}.device)` } : undefined;
  });
  return atCall.every((edit) => edit !== undefined) ? { title, safety: 'safe', edits: [...atCall].sort((a, b) => a.start - b.start) } : undefined;
}
