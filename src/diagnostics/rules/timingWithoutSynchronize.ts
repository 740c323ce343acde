import type { Finding, Fix } from '../finding';
import type { Facts, ModelCall } from '../semantics/facts';
import type { Region } from '../semantics/values';
import { distinctBySpan, isOnCuda } from './modelState';
import type { Rule, RuleContext } from './rule';
import { callsDuring, isProgress } from './timedCalls';

/** GLM203: a forward pass is timed, but the clock is read before the GPU has done it. */
export const timingWithoutSynchronize: Rule = {
  code: 'GLM203',
  name: 'timing-without-synchronize',
  severity: 'warning',
  isOnByDefault: true,
  fixSafety: 'unsafe',
  pages: {
    en: {
      title: 'A forward pass is timed without synchronize',
      what: ['Reports a direct forward pass `model(…)` on CUDA between two clock readings with no `torch.cuda.synchronize()` before the second.', '`generate()` is exempt: it reads every token back, which waits for the GPU.'],
      why: ['CUDA kernels are queued and run later.', 'The clock then measures how fast Python queues work, which is often ten times faster than the work.'],
      example: {
        bad: 'model.to("cuda")\nstart = time.perf_counter()\nlogits = model(**inputs).logits\nelapsed = time.perf_counter() - start',
        good: 'model.to("cuda")\nstart = time.perf_counter()\nlogits = model(**inputs).logits\ntorch.cuda.synchronize()\nelapsed = time.perf_counter() - start',
      },
      fix: ['Inserts `torch.cuda.synchronize()` before the statement that reads the clock again.', 'Unsafe: it changes what is measured, which is the point.'],
      options: [],
      limits: ['Reading a result (`.item()`, `.tolist()`, `.cpu()`, `int(…)`, decoding) waits as well and is accepted, in a loop also when the next round does it.', 'Silent where something that the file does not show is called with the results, or where they are printed, before the clock stops: that may read them.', 'A clock that was started before a loop and is read inside of it tells progress and is not reported.', 'Regions that also train, load, quantize or hand the model to a function that cannot be seen are not reported, nor are times taken with CUDA events.'],
    },
    zh: {
      title: '前向计算计时前没有同步',
      what: ['报告位于两次读表之间、在 CUDA 上直接执行的前向 `model(…)`，而第二次读表之前没有 `torch.cuda.synchronize()`。', '`generate()` 不在此列：它会逐个读回词元，自然等待 GPU。'],
      why: ['CUDA 内核先排队、后执行。', '这样测到的是 Python 排队的速度，常常比真正的计算快十倍。'],
      example: {
        bad: 'model.to("cuda")\nstart = time.perf_counter()\nlogits = model(**inputs).logits\nelapsed = time.perf_counter() - start',
        good: 'model.to("cuda")\nstart = time.perf_counter()\nlogits = model(**inputs).logits\ntorch.cuda.synchronize()\nelapsed = time.perf_counter() - start',
      },
      fix: ['在再次读表的语句之前插入 `torch.cuda.synchronize()`。', '不安全：它会改变所测的内容，而这正是目的。'],
      options: [],
      limits: ['读取结果（`.item()`、`.tolist()`、`.cpu()`、`int(…)`、解码）同样会等待，予以接受；循环中由下一轮读取亦可。', '停表之前若把结果交给本文件看不到的函数或将其打印，则保持沉默：这可能会读取结果。', '循环之前开始、在循环之内读取的计时只表示进度，不报告。', '同时包含训练、加载、量化，或把模型交给看不到的函数的区间，以及用 CUDA 事件计时的情况不报告。'],
    },
  },
  check(context) {
    const { facts } = context;
    const findings: Finding[] = [];
    for (const region of facts.elapsed) {
      if (region.byEvents || happensWithin(facts, 'other-work', region.from, region.to) || callsDuring(facts, region, 'handed').length > 0) {
        continue;
      }
      for (const call of callsDuring(facts, region, 'forward')) {
        if (call.certain && call.models.some(({ model }) => isOnCuda(model)) && !isProgress(call, region) && !happensWithin(facts, 'sync', waitedForSince(call, region), region.to) && !happensWithin(facts, 'unseen', call.fromEvent, region.to)) {
          findings.push({
            start: call.call.start,
            end: call.call.end,
            message: 'This forward pass is timed, but nothing waits for the GPU before the clock is read: call torch.cuda.synchronize() first.',
            related: [
              { span: region.fromSpan, message: 'the clock starts here' },
              { span: region.toSpan, message: 'and stops here' },
            ],
            fix: fixFor(context, call, region),
          });
        }
      }
    }
    return distinctBySpan(findings);
  },
};

/** In a loop inside the region, what waits in the next round waits for this call too: all passes but the last are accounted for. */
function waitedForSince(call: ModelCall, region: Region): number {
  return call.loops.find((loop) => loop.from > region.from)?.from ?? call.fromEvent;
}

function happensWithin(facts: Facts, kind: 'sync' | 'unseen' | 'other-work', from: number, to: number): boolean {
  return facts.happenings.some((happening) => happening.kind === kind && happening.event > from && happening.event < to);
}

/** Puts the call on a line of its own, before the line that reads the clock. */
function fixFor({ source }: RuleContext, call: ModelCall, region: Region): Fix | undefined {
  const lineStart = source.lastIndexOf('\n', region.toSpan.start - 1) + 1;
  const indent = /^[ \t]*/.exec(source.slice(lineStart))?.[0] ?? '';
  const isOwnLine = lineStart > call.call.end && /^[ \t]*[\w.[\]"'(]/.test(source.slice(lineStart, region.toSpan.start + 1));
  return isOwnLine ? { title: 'Insert torch.cuda.synchronize()', safety: 'unsafe', edits: [{ start: lineStart, end: lineStart, text: `${indent}torch.cuda.synchronize()\n` }] } : undefined;
}
