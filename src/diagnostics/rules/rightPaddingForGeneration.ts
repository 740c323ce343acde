import type { Finding } from '../finding';
import { distinctBySpan } from './modelState';
import type { Rule } from './rule';

/** GLM303: a batch padded on the right is continued. */
export const rightPaddingForGeneration: Rule = {
  code: 'GLM303',
  name: 'right-padding-for-generation',
  severity: 'warning',
  isOnByDefault: true,
  fixSafety: 'unsafe',
  pages: {
    en: {
      title: 'A batch padded on the right goes to generate()',
      what: ['Reports `generate()` on a padded batch whose tokenizer was told `padding_side="right"`.'],
      why: ['A decoder continues after the last position: with padding on the right it continues the padding, and the shorter prompts get worse answers.'],
      example: {
        bad: 'tokenizer = AutoTokenizer.from_pretrained(name, padding_side="right")\nbatch = tokenizer(["Hi", "How are you?"], padding=True, return_tensors="pt").to(model.device)\nmodel.generate(**batch)',
        good: 'tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left")\nbatch = tokenizer(["Hi", "How are you?"], padding=True, return_tensors="pt").to(model.device)\nmodel.generate(**batch)',
      },
      fix: ['Where the side is given in the call that pads, `"right"` becomes `"left"`; unsafe, because the output changes.'],
      options: [],
      limits: ['Only an explicit `"right"` is reported; encoder-decoder models pad on the right for good reason and are not told apart by class name alone.'],
    },
    zh: {
      title: '右侧填充的批次传给了 generate()',
      what: ['报告分词器被设为 `padding_side="right"` 的填充批次上的 `generate()`。'],
      why: ['解码器从最后一个位置继续：右侧填充时它会接着填充符往下写，较短的提示得到更差的回答。'],
      example: {
        bad: 'tokenizer = AutoTokenizer.from_pretrained(name, padding_side="right")\nbatch = tokenizer(["你好", "你好吗？"], padding=True, return_tensors="pt").to(model.device)\nmodel.generate(**batch)',
        good: 'tokenizer = AutoTokenizer.from_pretrained(name, padding_side="left")\nbatch = tokenizer(["你好", "你好吗？"], padding=True, return_tensors="pt").to(model.device)\nmodel.generate(**batch)',
      },
      fix: ['若填充方向写在做填充的调用里，把 `"right"` 改为 `"left"`；输出会变，因此不安全。'],
      options: [],
      limits: ['只报告明确写出的 `"right"`；编码器-解码器模型有理由右侧填充，仅凭类名无法区分。'],
    },
  },
  check({ facts, textOf }) {
    const findings: Finding[] = [];
    for (const call of facts.modelCalls) {
      for (const tensor of call.tensors) {
        const side = tensor.batchId === undefined ? undefined : facts.rightPadded.get(tensor.batchId);
        const isEncoderDecoder = call.models.some(({ model }) => /Seq2Seq|T5|Bart|Pegasus|MBart|Marian|ConditionalGeneration/.test(textOf(model.origin)));
        if (call.form !== 'generate' || !side || isEncoderDecoder) {
          continue;
        }
        const isArgument = /^["']right["']$/.test(textOf(side));
        findings.push({
          start: call.call.start,
          end: call.call.end,
          message: 'This batch is padded on the right: generation continues the padding of the shorter prompts. Use padding_side="left".',
          related: [{ span: side, message: 'padded here' }],
          fix: isArgument ? { title: 'Pad on the left', safety: 'unsafe', edits: [{ start: side.start, end: side.end, text: '"left"' }] } : undefined,
        });
      }
    }
    return distinctBySpan(findings);
  },
};
