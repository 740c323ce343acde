import type { Finding } from '../finding';
import type { DiscardedMove } from '../semantics/facts';
import { distinctBySpan } from './modelState';
import type { Rule, RuleContext } from './rule';

/** GLM102: `tensor.to(…)` as a statement of its own does nothing. */
export const discardedTo: Rule = {
  code: 'GLM102',
  name: 'discarded-to',
  severity: 'warning',
  isOnByDefault: true,
  fixSafety: 'safe',
  pages: {
    en: {
      title: 'The result of .to() is thrown away',
      what: ['Reports a bare statement `tensor.to(…)` or `tensor.cuda()`.', 'Modules and the batches of tokenizers (`BatchEncoding`, `BatchFeature`) move in place and are not reported.'],
      why: ['`Tensor.to` returns a copy on the other device and leaves the tensor where it was.', 'The statement costs a copy and changes nothing.'],
      example: { bad: 'input_ids = inputs["input_ids"]\ninput_ids.to("cuda")', good: 'input_ids = inputs["input_ids"]\ninput_ids = input_ids.to("cuda")' },
      fix: ['Assigns the result back to the tensor.', 'For an attribute of a batch (`inputs.input_ids.to(…)`) the item `inputs["input_ids"]` is assigned, because setting the attribute would not change the batch.'],
      options: [],
      limits: ['The value must certainly be a tensor, made in the file or an item with the name of one (`batch["input_ids"]`); in a notebook, the last expression of a cell is left alone when it only shows a tensor made on the spot.', 'A second move to the device the tensor was moved to before is no finding.'],
    },
    zh: {
      title: '.to() 的结果被丢弃',
      what: ['报告单独成句的 `tensor.to(…)` 或 `tensor.cuda()`。', '模块以及分词器返回的批次（`BatchEncoding`、`BatchFeature`）是就地移动的，不报告。'],
      why: ['`Tensor.to` 返回另一设备上的副本，原张量仍留在原处。', '这条语句花费一次拷贝，却什么也没有改变。'],
      example: { bad: 'input_ids = inputs["input_ids"]\ninput_ids.to("cuda")', good: 'input_ids = inputs["input_ids"]\ninput_ids = input_ids.to("cuda")' },
      fix: ['把结果赋值回该张量。', '对批次的属性（`inputs.input_ids.to(…)`）改为给 `inputs["input_ids"]` 赋值，因为设置属性不会改变批次。'],
      options: [],
      limits: ['必须能确定该值是张量：在本文件中产生，或是以张量命名的条目（`batch["input_ids"]`）；笔记本单元格末尾仅用于显示的表达式不报告。', '再次移动到张量已被移动到的设备不报告。'],
    },
  },
  check(context) {
    return distinctBySpan(context.facts.discardedMoves.filter((move) => !move.isDisplayed || move.tensor.origin?.maker === 'tokenizer').map((move) => report(context, move)));
  },
};

function report(context: RuleContext, move: DiscardedMove): Finding {
  const { call, receiver, tensor } = move;
  const name = context.textOf(receiver);
  const method = call.func.kind === 'attribute' ? call.func.name : 'to';
  // Setting an attribute of a batch would not change its items.
  const isBatchField = receiver.kind === 'attribute' && tensor.batchId !== undefined;
  const target = isBatchField ? `${context.textOf(receiver.object)}["${receiver.name}"]` : name;
  const edits = isBatchField
    ? [{ start: receiver.start, end: receiver.end, text: `${target} = ${target}` }]
    : [{ start: call.start, end: call.start, text: `${target} = ` }];
  return {
    start: call.start,
    end: call.end,
    message: `\`${name}.${method}(…)\` returns a moved copy, which is thrown away: \`${name}\` stays where it was.`,
    fix: { title: `Assign the result back to ${target}`, safety: 'safe', edits },
  };
}
