import type { Finding, Fix } from '../finding';
import type { Facts, ModelCall, Rate } from '../semantics/facts';
import type { Region } from '../semantics/values';
import { distinctBySpan } from './modelState';
import type { Rule, RuleContext } from './rule';
import { countsTokens, isMeasurement, isNamedForSpeed, isSpeedOfGeneration } from './measurement';
import { callsDuring, isProgress } from './timedCalls';

/** GLM201: a speed is computed from a generate() that may stop whenever it likes. */
export const benchmarkUnfixedLength: Rule = {
  code: 'GLM201',
  name: 'benchmark-unfixed-length',
  severity: 'warning',
  isOnByDefault: true,
  fixSafety: 'unsafe',
  pages: {
    en: {
      title: 'A benchmark without a fixed output length',
      what: ['Reports `generate()` inside a timed region from which a throughput (tokens/s, requests/s) is computed, unless its length is fixed by `min_new_tokens` equal to `max_new_tokens` (or `min_length` equal to `max_length`).'],
      why: ['A chat model stops after a few tokens, a base model runs to the limit: the two speeds contain different shares of prefill and start-up cost and cannot be compared.', 'This is how correct programs came to be called slow.'],
      example: {
        bad: 'start = time.perf_counter()\nout = model.generate(**inputs, max_new_tokens=256)\nprint(out.shape[1] / (time.perf_counter() - start), "tokens/s")',
        good: 'start = time.perf_counter()\nout = model.generate(**inputs, max_new_tokens=256, min_new_tokens=256)\nprint(out.shape[1] / (time.perf_counter() - start), "tokens/s")',
      },
      fix: ['Adds `min_new_tokens` with the value of `max_new_tokens` (or `min_length` with that of `max_length`).', 'Unsafe: the output changes, because the model may no longer stop early.'],
      options: [],
      limits: ['A latency that is only printed is no finding.', 'What is counted must be tokens, answers or requests: FLOPs, joules, bytes, images or seconds of audio per second are no speed of a text.', 'Settings that cannot be seen (`**kwargs` of a function nobody calls here, a config from elsewhere) keep the rule silent.', '`max_new_tokens=1` counts as fixed; processors of logits, and words a model must not say, may keep it from ending and keep the rule silent.', 'A greedy run that repeats another is reported like any other: its length is as long as the model likes.', 'A time handed to an unseen function counts when its name says that a speed comes out (`tokens_per_second(…)`), and so does one read from a timer object (`timer.start(…)`, `timer.stop(…)`).', 'A rate read inside the loop that the clock was started before is a forecast, and one read after such a loop the pace of an evaluation, unless tokens are counted or the function is named for a speed.', 'The speed of an answer to a person (`while True: question = input(…)`, `for question in iter(input, "")`), to a request (`@app.post(…)`), in a program with a page to type in (Streamlit, Gradio) or by a function named as a chat is no benchmark.', 'Nor is one that a method of a library notes, which nothing in the file calls, unless its name or its class speaks of measuring or it goes over many prompts.', 'Whisper, Marian and other models whose output is as long as their source are left alone.', 'Something unknown in a file that loads no model, or under a name that is no model’s (`decoder`), may have a `generate()` of its own without an end token: it is reported only if it is asked for what transformers alone understands.'],
    },
    zh: {
      title: '基准测试没有固定输出长度',
      what: ['报告位于计时区间内、并由该区间算出吞吐量（tokens/s、requests/s）的 `generate()`，除非用相等的 `min_new_tokens` 与 `max_new_tokens`（或 `min_length` 与 `max_length`）固定了长度。'],
      why: ['对话模型几个词元就停，基座模型一直跑到上限：两个速度所含的预填充与启动开销比例不同，无法比较。', '正确的程序就是这样被说成慢的。'],
      example: {
        bad: 'start = time.perf_counter()\nout = model.generate(**inputs, max_new_tokens=256)\nprint(out.shape[1] / (time.perf_counter() - start), "tokens/s")',
        good: 'start = time.perf_counter()\nout = model.generate(**inputs, max_new_tokens=256, min_new_tokens=256)\nprint(out.shape[1] / (time.perf_counter() - start), "tokens/s")',
      },
      fix: ['补上与 `max_new_tokens` 相等的 `min_new_tokens`（或与 `max_length` 相等的 `min_length`）。', '不安全：模型不再能提前停止，输出会改变。'],
      options: [],
      limits: ['仅打印耗时不报告。', '所统计的必须是词元、回答或请求：每秒的 FLOP、焦耳、字节、图像或音频秒数不是文本的速度。', '看不到的设置（无人调用的函数的 `**kwargs`、来自别处的配置）使规则沉默。', '`max_new_tokens=1` 视为固定；logits 处理器与禁用词可能使其无法结束，规则沉默。', '重复另一次运行的贪心解码同样报告：其长度仍由模型决定。', '传给看不到的函数的耗时，若函数名表明其返回速度（`tokens_per_second(…)`），则计入；由计时器对象（`timer.start(…)`、`timer.stop(…)`）读出的耗时亦计入。', '在循环之前开始计时、在循环之内读出的速率视为预计剩余时间，在循环之后读出的视为评测的进度，除非统计的是词元，或函数名表明其测量速度。', '回答用户提问（`while True: question = input(…)`、`for question in iter(input, "")`）、回答请求（`@app.post(…)`）、带输入页面的程序（Streamlit、Gradio）或名为聊天的函数所得的速度不是基准测试。', '库的方法顺便记下的速度也不是，若本文件中无人调用它，且方法名与类名都不涉及测量，也不遍历多个提示。', 'Whisper、Marian 等输出长度取决于来源的模型不报告。', '在没有加载模型的文件中，或名字不像模型（如 `decoder`）的未知对象，可能自带不识别结束词元的 `generate()`：只有用到 transformers 特有的参数时才报告。'],
    },
  },
  check(context) {
    const findings: Finding[] = [];
    for (const rate of context.facts.rates.filter((found) => isSpeedOfGeneration(context, found))) {
      for (const region of rate.regions) {
        for (const call of callsDuring(context.facts, region, 'generate')) {
          if (call.length === 'open' && isMeasurement(context.facts, call) && !mayBeHandWritten(context.facts, call) && !followsItsSource(context, call) && !isNoSpeed(context, rate, call, region)) {
            findings.push({
              start: call.call.start,
              end: call.call.end,
              message: 'A speed is computed from this generate(), but its output length is not fixed: set min_new_tokens equal to max_new_tokens.',
              related: [
                { span: region.fromSpan, message: 'the clock starts here' },
                { span: region.toSpan, message: 'and stops here' },
                { span: rate.expr, message: 'the speed is computed here' },
              ],
              fix: fixFor(context, call),
            });
          }
        }
      }
    }
    return distinctBySpan(findings);
  },
};

/**
 * A rate that no token is counted for, and whose clock runs around a loop: read inside of it, it forecasts the end;
 * read after it, it says how fast an evaluation or a data set was done, unless the function is named for a speed.
 */
function isNoSpeed(context: RuleContext, rate: Rate, call: ModelCall, region: Region): boolean {
  const isAroundLoop = call.loops.some((loop) => loop.from > region.from);
  return isAroundLoop && !countsTokens(context, rate) && (isProgress(call, region) || call.callDepth > rate.callDepth || !isNamedForSpeed(call));
}

/** Settings and inputs that a generate() of one's own has as well. */
const sharedSettings = new Set(['max_new_tokens', 'max_length', 'temperature', 'top_k', 'top_p', 'do_sample', 'repetition_penalty', 'input_ids', 'inputs', 'prompt', 'prompts']);

/**
 * Something unknown that is not named as a model (`decoder`, `engine`), that stands in a file which loads none,
 * or that is asked for nothing which only transformers understands: its loop may not know an end token.
 */
function mayBeHandWritten(facts: Facts, { call, models, certain, modelText = '' }: ModelCall): boolean {
  const isNamedModel = /model|lm|gpt|llama|qwen|mistral|gemma|phi|falcon|net|student|teacher|policy|actor|target|draft|base/i.test(modelText.split('.').at(-1) ?? '');
  if (models.some(({ model }) => model.library !== 'unseen')) {
    return !certain && !isNamedModel;
  }
  const isOfTransformers = call.args.some((arg) => arg.unpack !== undefined || (arg.name !== undefined && !sharedSettings.has(arg.name)));
  return !isOfTransformers && (!isNamedModel || [...facts.finalModels.values()].every(({ library }) => library === 'unseen'));
}

/** Their length is that of what they hear, read or translate. */
const bySource = /^(\w+\.)*(\w*Whisper|\w*Speech|\w*Seamless|Marian|M2M100|MBart|NllbMoe|\w*VisionEncoderDecoder|TrOCR|Donut|Nougat|Pix2Struct)\w*\./;

function followsItsSource(context: RuleContext, { models }: ModelCall): boolean {
  return models.length > 0 && models.every(({ model }) => bySource.test(context.textOf(model.origin)));
}

function fixFor(context: RuleContext, { call }: ModelCall): Fix | undefined {
  for (const [maximum, minimum] of [
    ['max_new_tokens', 'min_new_tokens'],
    ['max_length', 'min_length'],
  ] as const) {
    const limit = call.args.find((arg) => arg.name === maximum);
    if (limit) {
      const given = call.args.find((arg) => arg.name === minimum);
      const value = context.textOf(limit.value);
      const edit = given ? { start: given.value.start, end: given.value.end, text: value } : { start: limit.end, end: limit.end, text: `, ${minimum}=${value}` };
      return { title: `Set ${minimum}=${value}`, safety: 'unsafe', edits: [edit] };
    }
  }
  return undefined;
}
