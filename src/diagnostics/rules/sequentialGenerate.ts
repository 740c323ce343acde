import { distinctBySpan } from './modelState';
import type { Rule } from './rule';

/** GLM301: known prompts are generated one after the other. */
export const sequentialGenerate: Rule = {
  code: 'GLM301',
  name: 'sequential-generate',
  severity: 'information',
  isOnByDefault: true,
  fixSafety: 'none',
  pages: {
    en: {
      title: 'generate() in a loop over single prompts',
      what: ['Reports `generate()` in a loop over a literal list of prompts, each tokenized on its own.'],
      why: ['Decoding is bound by memory bandwidth: a batch of eight costs hardly more than one prompt.', 'A padded batch does the same work several times faster.'],
      example: {
        bad: 'for prompt in ["Why?", "How?"]:\n    inputs = tokenizer(prompt, return_tensors="pt").to(model.device)\n    model.generate(**inputs, max_new_tokens=64)',
        good: 'prompts = ["Why?", "How?"]\ninputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left").to(model.device)\nmodel.generate(**inputs, max_new_tokens=64)',
      },
      fix: ['There is no automatic fix: the code after the call has to be rewritten for a batch.'],
      options: [],
      limits: ['Loops that stream or measure time are not reported, nor are prompts that are not literally in the file.'],
    },
    zh: {
      title: '在循环中对单条提示调用 generate()',
      what: ['报告对字面提示列表逐条分词、逐条调用 `generate()` 的循环。'],
      why: ['解码受内存带宽限制：八条一批的开销与一条几乎相同。', '填充成一批可以快好几倍。'],
      example: {
        bad: 'for prompt in ["为什么？", "怎么做？"]:\n    inputs = tokenizer(prompt, return_tensors="pt").to(model.device)\n    model.generate(**inputs, max_new_tokens=64)',
        good: 'prompts = ["为什么？", "怎么做？"]\ninputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left").to(model.device)\nmodel.generate(**inputs, max_new_tokens=64)',
      },
      fix: ['没有自动修复：调用之后的代码需要按批次改写。'],
      options: [],
      limits: ['流式输出或计时的循环、以及不是字面写在文件里的提示不报告。'],
    },
  },
  check({ facts }) {
    return distinctBySpan(
      facts.promptLoops.map(({ call, loop, numPrompts }) => ({
        start: call.start,
        end: call.end,
        message: `generate() runs once for each of ${numPrompts} prompts: a padded batch would do it in one call.`,
        related: [{ span: loop, message: 'the loop over the prompts' }],
      })),
    );
  },
};
