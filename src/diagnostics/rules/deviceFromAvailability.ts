import { distinctBySpan, followModel, movesAgainstDispatch } from './modelState';
import type { Rule } from './rule';

/** GLM105: inputs follow `is_available()`, the model follows its device map. */
export const deviceFromAvailability: Rule = {
  code: 'GLM105',
  name: 'device-from-availability',
  severity: 'information',
  isOnByDefault: true,
  fixSafety: 'safe',
  pages: {
    en: {
      title: 'The device comes from is_available(), not from the model',
      what: ['Reports inputs moved to a variable that was set from `torch.cuda.is_available()` (or its relatives) while the model was loaded with a spreading `device_map`.'],
      why: ['That a GPU exists says nothing about where the map put the first layer.', 'On a machine with several GPUs, or with a small one, the two disagree.'],
      example: {
        bad: 'device = "cuda" if torch.cuda.is_available() else "cpu"\nmodel = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer(text, return_tensors="pt").to(device)\nmodel.generate(**inputs)',
        good: 'device = "cuda" if torch.cuda.is_available() else "cpu"\nmodel = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer(text, return_tensors="pt").to(model.device)\nmodel.generate(**inputs)',
      },
      fix: ['Replaces the variable by `model.device` at the move; the variable itself stays.'],
      options: [],
      limits: ['The availability test must stand in the same file; a helper imported from elsewhere keeps the rule silent.', '`device_map=device` with the same variable is no finding.', 'Nor is a map that names one GPU wherever there is one (`"cuda:0" if torch.cuda.is_available() else "auto"`), a branch for models that are not spread (the `else` of `if model.hf_device_map:`), a model whose device was compared with the variable (`if model.device != device: raise …`), or a variable that may hold the device of the model (`model.device if torch.cuda.is_available() else "cpu"`).', 'On every way through the program that uses a GPU the map must spread the model: silent where another way moves it to the variable by hand or names one device for it, unless that way is for machines without one (the `else` of `if device == "cuda":`).', 'Silent where the program moves the model to the variable by hand, map or not (GLM104 reports that move first), and where a function of another file is handed both.', 'A tensor that also goes to a model which lies on the variable’s device was made for that one.', 'Silent where the value may come from somewhere else (the command line, the environment, a configuration), and where one GPU is visible (`CUDA_VISIBLE_DEVICES`, `max_memory={0: …}`); `device=None` of a parameter that nobody in the file gives counts as not given.'],
    },
    zh: {
      title: '设备取自 is_available()，而不是模型',
      what: ['报告移动到由 `torch.cuda.is_available()`（及同类函数）设定的变量的输入，而模型以会拆分的 `device_map` 加载。'],
      why: ['有 GPU 并不说明映射把第一层放在哪里。', '在有多块 GPU 或显存较小的机器上，两者会不一致。'],
      example: {
        bad: 'device = "cuda" if torch.cuda.is_available() else "cpu"\nmodel = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer(text, return_tensors="pt").to(device)\nmodel.generate(**inputs)',
        good: 'device = "cuda" if torch.cuda.is_available() else "cpu"\nmodel = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\ninputs = tokenizer(text, return_tensors="pt").to(model.device)\nmodel.generate(**inputs)',
      },
      fix: ['在移动处把变量替换为 `model.device`，变量本身保留。'],
      options: [],
      limits: ['可用性判断必须在同一文件中；从别处导入的辅助函数不报告。', '`device_map=device` 使用同一变量时不报告。', '凡有 GPU 即只写一个 GPU 的映射（`"cuda:0" if torch.cuda.is_available() else "auto"`）、针对未拆分模型的分支（`if model.hf_device_map:` 的 `else`），设备已与该变量比较过的模型（`if model.device != device: raise …`）以及可能保存模型自身设备的变量（`model.device if torch.cuda.is_available() else "cpu"`）也不报告。', '在使用 GPU 的每条路径上，映射都必须拆分模型：若另一条路径把模型手动移动到该变量，或只给它一个设备，则保持沉默，除非那条路径用于没有 GPU 的机器（`if device == "cuda":` 的 `else`）。', '若程序已把模型手动移动到该变量（无论有无映射，GLM104 会先报告那次移动），或把两者交给另一文件的函数，则保持沉默。', '若同一张量还交给就在该变量所指设备上的模型，则视为为它而准备，不报告。', '值可能来自别处（命令行、环境变量、配置）或只有一个可见的 GPU（`CUDA_VISIBLE_DEVICES`、`max_memory={0: …}`）时保持沉默；本文件中无人给出的参数 `device=None` 视为未给出。'],
    },
  },
  check({ facts, textOf }) {
    return distinctBySpan(
      movesAgainstDispatch(facts, 'availability').map(({ call, move }) => ({
        start: move.call.start,
        end: move.call.end,
        message: `\`${move.deviceArg ? textOf(move.deviceArg) : 'the device'}\` comes from is_available(), but device_map decides where \`${call.modelText ?? 'the model'}\` starts: use \`${call.modelText ?? 'model'}.device\`.`,
        related: [{ span: call.call, message: 'they are given to the model here' }],
        fix: followModel(move, call),
      })),
    );
  },
};
