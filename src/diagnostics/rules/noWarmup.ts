import { distinctBySpan } from './modelState';
import type { Rule } from './rule';
import { callsDuring } from './timedCalls';

/** GLM204: the first generate() of the process is the one that is timed. */
export const noWarmup: Rule = {
  code: 'GLM204',
  name: 'no-warmup',
  severity: 'information',
  isOnByDefault: false,
  fixSafety: 'none',
  pages: {
    en: {
      title: 'The first generate() is the timed one',
      what: ['Reports a timed `generate()` that no other `generate()` or forward pass precedes.'],
      why: ['The first call loads kernels, fills caches and allocates memory: it costs between a quarter of a second and several seconds more.'],
      example: {
        bad: 'start = time.time()\nmodel.generate(**inputs, max_new_tokens=64)\nprint(time.time() - start)',
        good: 'model.generate(**inputs, max_new_tokens=1)  # warm up\nstart = time.time()\nmodel.generate(**inputs, max_new_tokens=64)\nprint(time.time() - start)',
      },
      fix: ['There is no automatic fix: run one short generation before the clock starts.'],
      options: [],
      limits: ['Off by default: many scripts average over repetitions, which hides most of the effect.'],
    },
    zh: {
      title: '被计时的是第一次 generate()',
      what: ['报告此前没有任何 `generate()` 或前向计算的计时 `generate()`。'],
      why: ['第一次调用要加载内核、填充缓存、分配内存：会多花四分之一秒到几秒。'],
      example: {
        bad: 'start = time.time()\nmodel.generate(**inputs, max_new_tokens=64)\nprint(time.time() - start)',
        good: 'model.generate(**inputs, max_new_tokens=1)  # 预热\nstart = time.time()\nmodel.generate(**inputs, max_new_tokens=64)\nprint(time.time() - start)',
      },
      fix: ['没有自动修复：在开始计时之前先做一次短的生成。'],
      options: [],
      limits: ['默认关闭：许多脚本对多次重复取平均，掩盖了大部分影响。'],
    },
  },
  check({ facts }) {
    const firstEvent = Math.min(...facts.modelCalls.map((call) => call.fromEvent));
    const timed = facts.elapsed.flatMap((region) => callsDuring(facts, region, 'generate'));
    return distinctBySpan(
      timed.filter((call) => call.fromEvent === firstEvent).map((call) => ({ start: call.call.start, end: call.call.end, message: 'The first generate() of the process is the one that is timed: warm up before the clock starts.' })),
    );
  },
};
