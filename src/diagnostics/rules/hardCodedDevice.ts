import { isAccelerator } from '../semantics/devices';
import { distinctBySpan, followModel, movesAgainstDispatch } from './modelState';
import type { Rule } from './rule';

/** GLM103: inputs go to a device spelled out, although `device_map` decides where the model starts. */
export const hardCodedDevice: Rule = {
  code: 'GLM103',
  name: 'hard-coded-device',
  severity: 'information',
  isOnByDefault: true,
  fixSafety: 'safe',
  pages: {
    en: {
      title: 'Inputs go to a hard-coded device',
      what: ['Reports inputs moved to a literal device (`.to("cuda")`, `.cuda()`, or a variable that holds such a literal) while the model was loaded with `device_map="auto"`, `"balanced"`, `"sequential"` or a map over several devices.'],
      why: ['The map may put the first layer on `cuda:1`, on another kind of device, or on the CPU.', 'Then the literal is wrong, and the copy or the crash appears only on that machine.', '`model.device` is right wherever the model starts.'],
      example: {
        bad: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer(text, return_tensors="pt").to("cuda")\nmodel.generate(**inputs)',
        good: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer(text, return_tensors="pt").to(model.device)\nmodel.generate(**inputs)',
      },
      fix: ['Replaces the device by `model.device`, with the name the model has at that spot.'],
      options: [],
      limits: ['The same literal on both sides (`device_map="cuda"` and `.to("cuda")`) is no finding.', 'The moved tensor must visibly reach a call of the model: what a function of another file does with both is not known.', 'Silent where the program moves the model to that very device by hand, map or not (GLM104 reports that move first).', 'Silent in a branch for models that are not spread (the `else` of `if model.hf_device_map:`).', 'A default of a parameter that callers may replace is no hard-coded device.', 'Moves whose tensors also go to a model that lies on that very device were made for that one, also in a function that is called for both.', 'Nor is it a finding where another way through the program puts the model on that very device (one loader with a map, the other with `.cuda()`), or where a map names it for the embedding.', 'One visible GPU (`CUDA_VISIBLE_DEVICES` set to one, `max_memory={0: …}`) leaves the map no other to start on.'],
    },
    zh: {
      title: '输入被移动到写死的设备',
      what: ['报告移动到字面量设备（`.to("cuda")`、`.cuda()` 或保存该字面量的变量）的输入，而模型是以 `device_map="auto"`、`"balanced"`、`"sequential"` 或多设备映射加载的。'],
      why: ['映射可能把第一层放到 `cuda:1`、其他类型的设备或 CPU 上。', '这时字面量就是错的，拷贝或崩溃只会在那台机器上出现。', '无论模型从哪里开始，`model.device` 总是正确的。'],
      example: {
        bad: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer(text, return_tensors="pt").to("cuda")\nmodel.generate(**inputs)',
        good: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer(text, return_tensors="pt").to(model.device)\nmodel.generate(**inputs)',
      },
      fix: ['用模型在该处的名字把设备替换为 `model.device`。'],
      options: [],
      limits: ['两边是同一个字面量（`device_map="cuda"` 与 `.to("cuda")`）不报告。', '被移动的张量必须明显地传给该模型：另一文件的函数如何使用两者无从得知。', '若程序已手动把模型移动到这一设备（无论有无映射），则保持沉默：GLM104 会先报告那次移动。', '在针对未拆分模型的分支（`if model.hf_device_map:` 的 `else`）中保持沉默。', '调用者可以替换的参数默认值不算写死的设备。', '若同一移动的张量还交给就在该设备上的另一模型（包括为两者所调用的同一函数），则视为为它而准备，不报告。', '若程序的另一条路径把模型放在这一设备上（一处用映射加载，另一处用 `.cuda()`），或映射为嵌入层写明了这一设备，也不报告。', '只有一个可见的 GPU（`CUDA_VISIBLE_DEVICES` 只含一个，或 `max_memory={0: …}`）时，映射别无选择，不报告。'],
    },
  },
  check({ facts }) {
    const moves = movesAgainstDispatch(facts, 'literal').filter(({ device }) => isAccelerator(device));
    return distinctBySpan(
      moves.map(({ call, device, move }) => ({
        start: move.call.start,
        end: move.call.end,
        message: `Inputs are moved to the hard-coded device "${device.kind === 'literal' ? device.name : ''}", but device_map decides where \`${call.modelText ?? 'the model'}\` starts: use \`${call.modelText ?? 'model'}.device\`.`,
        related: [{ span: call.call, message: 'they are given to the model here' }],
        fix: followModel(move, call),
      })),
    );
  },
};
