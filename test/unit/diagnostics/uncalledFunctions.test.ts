/** Functions that nobody in the file calls are followed for what they set, unless their text shows that they set nothing. */
import { describe, expect, it } from 'vitest';
import { lintPython } from '../../../src/diagnostics/analyzer';
import { pythonParser } from './lintHarness';

const imports = 'from transformers import AutoModelForCausalLM, AutoTokenizer\n\ntokenizer = AutoTokenizer.from_pretrained("org/writer")\n';

async function rulesIn(text: string): Promise<readonly string[]> {
  return lintPython(await pythonParser(), imports + text).map((diagnostic) => diagnostic.rule);
}

const ask = (model: string): string => `
def ask(text):
    inputs = tokenizer(text, return_tensors="pt").to("cuda")
    return ${model}.generate(**inputs)
`;
const load = 'AutoModelForCausalLM.from_pretrained("org/writer", device_map="auto")';

describe('what an uncalled function leaves behind', () => {
  it.each([
    ['a global name', `model = None\n${ask('model')}\ndef start():\n    global model\n    model = ${load}\n`],
    ['an item of a dict', `models = {}\n${ask('models["writer"]')}\ndef start():\n    models["writer"] = ${load}\n`],
    ['an item of a list', `models = []\n${ask('models[0]')}\ndef start():\n    models.append(${load})\n`],
    ['an attribute of another object', `class Shelf:\n    pass\n\nshelf = Shelf()\n${ask('shelf.model')}\ndef start():\n    shelf.model = ${load}\n`],
    ['the effect of a function that it calls', `model = None\n${ask('model')}\ndef start():\n    prepare()\n\ndef prepare():\n    global model\n    model = ${load}\n`],
  ])('is %s', async (_, text) => {
    expect(await rulesIn(text)).toEqual(['GLM103']);
  });

  it('is where a model was moved to', async () => {
    const text = `model = AutoModelForCausalLM.from_pretrained("org/writer")\n\ndef ask(text):\n    return model.generate(**tokenizer(text, return_tensors="pt"))\n\ndef start(device):\n    model.to("cuda")\n`;
    expect(await rulesIn(text)).toEqual(['GLM101']);
  });

  it('is none of the moves that the script itself makes further down', async () => {
    const text = `model = AutoModelForCausalLM.from_pretrained("org/writer")\n\ndef draft(text):\n    return model.generate(**tokenizer(text, return_tensors="pt"))\n\ndef main():\n    model.to("cuda")\n\ndef check(text):\n    return model.generate(**tokenizer(text, return_tensors="pt"))\n\nmain()\n`;
    expect(await rulesIn(text)).toEqual(['GLM101']);
  });

  it('is nothing for names of its own', async () => {
    expect(await rulesIn(`model = load_elsewhere()\n${ask('model')}\ndef start():\n    model = ${load}\n    return model\n`)).toEqual([]);
  });
});
