import { dispatchOf } from '../semantics/dispatch';
import type { ModelMove } from '../semantics/facts';
import type { ModelObject } from '../semantics/values';
import { distinctBySpan } from './modelState';
import type { Rule } from './rule';

/** GLM104: a model that a device map or bitsandbytes has placed is moved again. */
export const movingDispatchedModel: Rule = {
  code: 'GLM104',
  name: 'moving-dispatched-model',
  severity: 'error',
  isOnByDefault: true,
  fixSafety: 'unsafe',
  pages: {
    en: {
      title: 'A dispatched model is moved',
      what: ['Reports `.to(device)` and `.cuda()` on a model that was loaded with a spreading `device_map` or in 4 or 8 bit, also chained to `from_pretrained(…)`.', 'A cast such as `.to(torch.bfloat16)` moves nothing and is not reported.'],
      why: ['accelerate answers "You can’t move a model that has some modules offloaded to cpu or disk", or the layers end up on one device behind the back of its hooks.', 'bitsandbytes models raise "`.to` is not supported for `4-bit` or `8-bit` bitsandbytes models".'],
      example: { bad: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto").to("cuda")', good: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")' },
      fix: ['Deletes the call; none is offered where only some paths give a map, because the others need the move.', 'Unsafe: where everything did fit on one device, the program may have relied on the move.'],
      options: [],
      limits: ['Silent when only some paths load the model with a map and the move is not chained to the loading, and for libraries that document a move after their own loading (ipex-llm, AutoAWQ, AutoGPTQ, HQQ, Unsloth, `GPTQConfig`).', 'A model that only some paths load in 4 or 8 bit is reported where nothing decides whether it is moved.', 'A model that a map has spread may go to the CPU (`model.to("cpu")`), which makes room on the GPUs or comes before saving.', 'Silent where the argument may be a dtype (`.to(precision)`) or the device of the model itself, and where hardly anything else is tried (`try: model.to("cuda")`).', 'Silent in branches where no accelerator is used (`if device == "cpu":`, `if args.cpu:`, the `else` of `if torch.cuda.is_available():`).', 'A map that names one device (`device_map={"": 0}`) installs no hooks and is not reported.', 'Silent in branches that ask, once the model is loaded, where it is or how it was loaded (`if config is None:` of the quantization config, `if not args.load_in_8bit:`).', 'The branch that a name bound once to `True` or `False` switches off is not followed.'],
    },
    zh: {
      title: '已分派的模型又被移动',
      what: ['报告对以会拆分的 `device_map` 或 4/8 比特方式加载的模型调用 `.to(device)` 或 `.cuda()`，包括链在 `from_pretrained(…)` 之后的写法。', '`.to(torch.bfloat16)` 之类的类型转换不移动模型，不报告。'],
      why: ['accelerate 会报 "You can’t move a model that has some modules offloaded to cpu or disk"，或者各层在钩子不知情的情况下被放到同一设备。', 'bitsandbytes 模型会抛出 "`.to` is not supported for `4-bit` or `8-bit` bitsandbytes models"。'],
      example: { bad: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto").to("cuda")', good: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")' },
      fix: ['删除该调用；若只有部分路径给出映射，则不提供修复，因为其余路径仍需要这次移动。', '不安全：如果所有层本来就放得进一个设备，程序可能依赖这次移动。'],
      options: [],
      limits: ['仅部分路径以映射加载、且移动没有链在加载之后时保持沉默；对文档中说明自行加载后需移动的库（ipex-llm、AutoAWQ、AutoGPTQ、HQQ、Unsloth、`GPTQConfig`）也不报告。', '仅部分路径以 4/8 比特加载的模型，若移动不在任何条件之下则报告。', '由映射拆分的模型可以移到 CPU（`model.to("cpu")`）：为 GPU 腾出空间，或在保存之前。', '参数可能是数据类型（`.to(precision)`）或模型自身的设备时保持沉默；只为这次移动而写的 `try:` 亦然。', '不使用加速器的分支（`if device == "cpu":`、`if args.cpu:`、`if torch.cuda.is_available():` 的 `else`）中保持沉默。', '只写一个设备的映射（`device_map={"": 0}`）不会安装钩子，不报告。', '模型加载之后，在询问模型位置或加载方式的分支（如量化配置的 `if config is None:`、`if not args.load_in_8bit:`）中保持沉默。', '只绑定一次且值为 `True` 或 `False` 的名字所关闭的分支不会被跟踪。'],
    },
  },
  check({ facts, textOf }) {
    return distinctBySpan(
      facts.modelMoves
        .filter((move) => move.certain && move.models.length > 0 && isElsewhere(move) && move.models.every(({ model }) => isPlacedOnCondition(move, model) || (!move.guarded && (isPlacedByLibrary(model) || isPlacedInChain(move, model) || (move.unconditional && isQuantizedOnDemand(model))))))
        .map((move) => {
          const { call } = move;
          const receiver = call.func.kind === 'attribute' ? call.func.object : call.func;
          const isAlwaysPlaced = move.models.every(({ model }) => isPlacedByLibrary(model));
          const placer = isAlwaysPlaced ? 'device_map' : 'device_map, where it is given,';
          const isPerhapsQuantized = move.models.every(({ model }) => isQuantizedOnDemand(model));
          const reason = move.models.every(({ model }) => isQuantized(model))
            ? 'it was loaded in 4 or 8 bit, and bitsandbytes has placed it already'
            : isPerhapsQuantized
              ? 'where it is loaded in 4 or 8 bit, bitsandbytes has placed it already'
              : `${placer} has placed its layers already`;
          const method = call.func.kind === 'attribute' ? call.func.name : 'to';
          const name = receiver.kind === 'name' || receiver.kind === 'attribute' ? `\`${textOf(receiver)}\`` : 'This model';
          return {
            start: call.start,
            end: call.end,
            message: `${name} must not be moved with \`.${method}(…)\`: ${reason}.`,
            related: move.models.map(({ model }) => ({ span: model.origin, message: 'loaded here' })),
            // Where only some paths give a map, the others still need the move.
            fix: isAlwaysPlaced ? { title: `Delete .${method}(…)`, safety: 'unsafe' as const, edits: [{ start: receiver.end, end: call.end, text: '' }] } : undefined,
          };
        }),
    );
  },
};

/** To a device, and to one that is not the model's own. A model that a map has spread may go to the CPU to make room on the GPUs, or to be saved. */
function isElsewhere({ device, isSurelyDevice, models }: ModelMove): boolean {
  const leavesGpus = device.kind === 'literal' && device.name === 'cpu';
  return isSurelyDevice && device.kind !== 'model' && !(leavesGpus && models.some(({ model }) => !isQuantized(model)));
}

/** On some paths, by a configuration that only they make: there a move that nothing decides raises. */
function isQuantizedOnDemand(model: ModelObject): boolean {
  return model.library === 'transformers' && model.isPerhapsPlain === true && model.quantized.every((quantized) => quantized);
}

/** On every path. Who quantizes a model of an unseen class may also want it moved, as ipex-llm does. */
function isQuantized(model: ModelObject): boolean {
  return model.library === 'transformers' && model.quantized.every((quantized) => quantized) && model.isPerhapsPlain !== true;
}

function isPlacedByLibrary(model: ModelObject): boolean {
  const isOwnLoader = model.library === 'awq' || model.library === 'gptq';
  return !isOwnLoader && (isQuantized(model) || (dispatchOf(model) === 'always' && model.deviceMaps.every((map) => map.kind === 'multi' && map.mayDiffer !== true)));
}

/** `device_map="auto" if device == "cuda" else None`, and then `if device == "cuda": model.to(device)`. */
function isPlacedOnCondition(move: ModelMove, model: ModelObject): boolean {
  return (model.library === 'transformers' || model.library === 'unseen') && model.deviceMaps.some((map) => map.kind === 'multi' && map.when !== undefined && move.conditions.includes(map.when));
}

/** `from_pretrained(…, device_map="auto" if … else None).to(device)`: no branch can come between the map and the move. */
function isPlacedInChain({ call }: ModelMove, model: ModelObject): boolean {
  const isChained = call.func.kind === 'attribute' && model.origin.start >= call.func.object.start && model.origin.end <= call.func.object.end;
  const kinds = model.deviceMaps.map(({ kind }) => kind);
  return isChained && (model.library === 'transformers' || model.library === 'unseen') && kinds.includes('multi') && !kinds.includes('unknown') && !model.deviceMaps.some((map) => map.kind === 'multi' && map.mayDiffer === true);
}
