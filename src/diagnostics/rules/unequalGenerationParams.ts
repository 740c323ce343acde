import type { Finding } from '../finding';
import type { Facts, ModelCall } from '../semantics/facts';
import type { Region } from '../semantics/values';
import { distinctBySpan } from './modelState';
import type { Rule } from './rule';
import { callsDuring, settingText } from './timedCalls';

/** Settings that change how much work a call is; a missing one has a default of its own. */
const decisive = ['max_new_tokens', 'max_length', 'min_new_tokens', 'do_sample', 'num_beams', 'temperature', 'top_p', 'top_k'] as const;

/** GLM202: two timed calls are set against each other, but they were asked for different things. */
export const unequalGenerationParams: Rule = {
  code: 'GLM202',
  name: 'unequal-generation-params',
  severity: 'warning',
  isOnByDefault: true,
  fixSafety: 'none',
  pages: {
    en: {
      title: 'Two timed calls with different settings are compared',
      what: ['Reports two timed `generate()` calls whose times or speeds are divided by, subtracted from or compared with each other while their literal sampling or length arguments differ.'],
      why: ['Beam search, sampling and another length are different work: the ratio measures the settings, not the models.'],
      example: {
        bad: 't0 = time.time()\na.generate(**x, max_new_tokens=64)\nt1 = time.time()\nb.generate(**x, max_new_tokens=256)\nt2 = time.time()\nprint((t2 - t1) / (t1 - t0))',
        good: 't0 = time.time()\na.generate(**x, max_new_tokens=256, min_new_tokens=256)\nt1 = time.time()\nb.generate(**x, max_new_tokens=256, min_new_tokens=256)\nt2 = time.time()\nprint((t2 - t1) / (t1 - t0))',
      },
      fix: ['There is no automatic fix: only you know which settings were meant.'],
      options: [],
      limits: ['Only literal values that both calls spell out are compared.'],
    },
    zh: {
      title: '比较了两次设置不同的计时调用',
      what: ['报告两次计时的 `generate()`：它们的时间或速度被相除、相减或比较，而写明的采样或长度参数不同。'],
      why: ['束搜索、采样与不同的长度是不同的工作量：比值反映的是设置，而不是模型。'],
      example: {
        bad: 't0 = time.time()\na.generate(**x, max_new_tokens=64)\nt1 = time.time()\nb.generate(**x, max_new_tokens=256)\nt2 = time.time()\nprint((t2 - t1) / (t1 - t0))',
        good: 't0 = time.time()\na.generate(**x, max_new_tokens=256, min_new_tokens=256)\nt1 = time.time()\nb.generate(**x, max_new_tokens=256, min_new_tokens=256)\nt2 = time.time()\nprint((t2 - t1) / (t1 - t0))',
      },
      fix: ['没有自动修复：只有你知道本来想用哪组设置。'],
      options: [],
      limits: ['只比较两次调用都写明的字面值。'],
    },
  },
  check({ facts }) {
    const findings: Finding[] = [];
    for (const { left, right } of facts.comparisons) {
      const first = onlyGenerate(facts, left);
      const second = onlyGenerate(facts, right);
      if (!first || !second || first.call === second.call) {
        continue;
      }
      const different = decisive.filter((name) => {
        const [a, b] = [settingText(first, name), settingText(second, name)];
        return a !== undefined && b !== undefined && a !== b;
      });
      const later = first.call.start > second.call.start ? first : second;
      const earlier = later === first ? second : first;
      if (different.length > 0) {
        findings.push({
          start: later.call.start,
          end: later.call.end,
          message: `This timed generate() is compared with another one that has different ${different.join(', ')}.`,
          related: [{ span: earlier.call, message: 'compared with this call' }],
        });
      }
    }
    return distinctBySpan(findings);
  },
};

function onlyGenerate(facts: Facts, regions: readonly Region[]): ModelCall | undefined {
  const calls = new Set(regions.flatMap((region) => callsDuring(facts, region, 'generate')));
  return calls.size === 1 ? [...calls][0] : undefined;
}
