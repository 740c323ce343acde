// Answers for the chat view's benchmark: 20,000 tokens of four characters, each kind alone, a mixture, and one endless block of each kind.

export const numTokens = 20_000;
export const charactersPerToken = 4;

const prose = [
  'The scheduler picks the next batch from what is waiting, and **keeps** the rest. Each step appends one token per row; `seqlens_k` says how far each has come, and nothing is copied that already lies on the device.\n\n',
  '## A heading for the next part\n\n',
  '显存被分成权重、键值缓存和激活三部分，每一部分都能单独看到。这样就知道哪些内存是我们自己用的，哪些是其他进程占用的。\n\n',
  '> A stage that lands on the CPU is shown as a warning with its measured cost.\n\n',
  'What a step costs depends on where its tensors are: see [the table](https://example.org/table), and mind that *estimates* are marked as such (they were not measured on this machine).\n\n',
];
const code =
  '```python\ndef generate(model, input_ids, max_new_tokens=64):\n    past = None\n    for step in range(max_new_tokens):\n        logits, past = model(input_ids, past)  # one forward pass\n        next_id = int(logits[0, -1].argmax())\n        if next_id in (151329, 151336):\n            break\n        input_ids = torch.tensor([[next_id]], device=model.device)\n    return past\n```\n\n';
const list = '1. Read the header and check every offset.\n2. Plan the stages:\n   - embedding first\n   - the head last\n3. Copy while the next piece is read.\n\n';
const table = '| device | layers | free | note |\n|:--|--:|--:|:--|\n| cuda:0 | 0–19 | 58.1 GiB | first stage |\n| cuda:1 | 20–39 | 57.4 GiB | last stage |\n\n';

const fill = (parts, characters) => {
  let text = '';
  for (let index = 0; text.length < characters; index += 1) {
    text += typeof parts === 'function' ? parts(index) : parts[index % parts.length];
  }
  return text.slice(0, characters);
};
const whole = numTokens * charactersPerToken;

/** Answers by name; `startTokens` are on screen before the clock starts. */
export const answers = {
  mixed: { text: fill([prose[0], prose[1], code, list, table, prose[2], prose[3]], whole), startTokens: 0 },
  prose: { text: fill(prose, whole), startTokens: 16_000 },
  'code blocks': { text: fill(['Then this:\n\n', code], whole), startTokens: 16_000 },
  lists: { text: fill(['In this order:\n\n', list], whole), startTokens: 16_000 },
  tables: { text: fill(['As measured:\n\n', table], whole), startTokens: 16_000 },
  'one code block': { text: `\`\`\`python\n${fill((index) => `value_${index} = compute(value_${index}, "text", ${index})  # line ${index}\n`, whole - 20)}`, startTokens: 18_000 },
  'one list': { text: fill((index) => `- item ${index} with **bold** text, \`code\` and a few words more\n`, whole), startTokens: 18_000 },
  'one paragraph': { text: fill((index) => `word${index} and some more text without an end, `, whole), startTokens: 18_000 },
  'one table': { text: fill((index) => (index === 0 ? '| a | b | c |\n|---|--:|---|\n' : `| row ${index} | ${index * 7} | some text |\n`), whole), startTokens: 18_000 },
};
