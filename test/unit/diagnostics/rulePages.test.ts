import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lintPython } from '../../../src/diagnostics/analyzer';
import { renderAllPages } from '../../../src/diagnostics/rulePageText';
import { rules } from '../../../src/diagnostics/rules/registry';
import { pythonParser } from './lintHarness';

const folder = join(__dirname, '../../../docs/rules');

describe('docs/rules', () => {
  it('is what the rules’ own files say (npm run docs:rules writes it)', () => {
    const pages = renderAllPages();
    expect(readdirSync(folder).sort()).toEqual([...pages.keys()].sort());
    for (const [name, text] of pages) {
      expect(readFileSync(join(folder, name), 'utf8'), name).toBe(text);
    }
  });
});

describe.each(rules)('the example of $code', (rule) => {
  const prelude = 'import time\nimport torch\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\nname = "THUDM/GLM-4-9B-0414"\ntext = "Hi"\ntokenizer = AutoTokenizer.from_pretrained(name)\n';
  const model = 'model = AutoModelForCausalLM.from_pretrained(name, device_map="auto")\n';
  const inputs = 'inputs = tokenizer(text, return_tensors="pt").to(model.device)\n';
  /** The examples leave out what every reader knows; here it is put back. */
  const complete = (example: string): string => {
    const needsModel = !example.includes('model = ') && !example.includes('a.generate');
    const pair = example.includes('a.generate') ? `${model}a = model\nb = AutoModelForCausalLM.from_pretrained("base", device_map="auto")\nx = tokenizer(text, return_tensors="pt").to(a.device)\n` : '';
    const ids = rule.code === 'GLM203' ? 'model = AutoModelForCausalLM.from_pretrained(name)\ninputs = tokenizer(text, return_tensors="pt").to("cuda")\n' : needsModel ? model + inputs : model.repeat(0);
    const needed = rule.code === 'GLM102' ? inputs.replace('.to(model.device)', '') : rule.code === 'GLM106' ? model + inputs.replace('.to(model.device)', '') : pair || (rule.code === 'GLM303' || rule.code === 'GLM301' ? model : ids);
    return `${prelude}${needed}${example}\n`;
  };

  it.each(['en', 'zh'] as const)('is reported, and its better form is not (%s)', async (language) => {
    const { bad, good } = rule.pages[language].example;
    const parser = await pythonParser();
    const codes = (source: string) => lintPython(parser, complete(source), { select: [rule.code] }).map((diagnostic) => diagnostic.rule);
    expect(codes(bad)).toEqual([rule.code]);
    expect(codes(good)).toEqual([]);
  });
});
