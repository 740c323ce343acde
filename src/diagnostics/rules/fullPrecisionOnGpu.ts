import { distinctBySpan, isOnAccelerator } from './modelState';
import type { Rule } from './rule';

/** GLM302: a model goes to the GPU in float32 because nobody said otherwise. */
export const fullPrecisionOnGpu: Rule = {
  code: 'GLM302',
  name: 'full-precision-on-gpu',
  severity: 'information',
  isOnByDefault: false,
  fixSafety: 'none',
  pages: {
    en: {
      title: 'A model is loaded in float32 on a GPU',
      what: ['Reports `from_pretrained` without `dtype`/`torch_dtype` and without quantization for a model that ends up on an accelerator.'],
      why: ['Before transformers 5 the default is float32: twice the memory and less than half the speed of the bfloat16 weights in the checkpoint.'],
      example: { bad: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")', good: 'model = AutoModelForCausalLM.from_pretrained(name, dtype="auto", device_map="auto")' },
      fix: ['There is no automatic fix: choose `dtype="auto"` or a dtype.'],
      options: [],
      limits: ['Off by default: with transformers 5 and later the checkpoint’s own dtype is the default.'],
    },
    zh: {
      title: '模型以 float32 加载到 GPU',
      what: ['报告最终位于加速器上、但 `from_pretrained` 既未给 `dtype`/`torch_dtype` 也未量化的模型。'],
      why: ['transformers 5 之前默认为 float32：显存是检查点中 bfloat16 权重的两倍，速度不到一半。'],
      example: { bad: 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")', good: 'model = AutoModelForCausalLM.from_pretrained(name, dtype="auto", device_map="auto")' },
      fix: ['没有自动修复：请选择 `dtype="auto"` 或具体类型。'],
      options: [],
      limits: ['默认关闭：transformers 5 起默认采用检查点自己的类型。'],
    },
  },
  check({ facts }) {
    const onGpu = facts.plainLoads.filter(({ modelId }) => {
      const model = facts.finalModels.get(modelId);
      return model !== undefined && isOnAccelerator(model);
    });
    return distinctBySpan(onGpu.map(({ call }) => ({ start: call.start, end: call.end, message: 'No dtype is given: before transformers 5 this loads float32, twice the memory of the checkpoint.' })));
  },
};
