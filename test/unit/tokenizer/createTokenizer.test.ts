import { describe, expect, it } from 'vitest';
import { parseJsonKeepingNumbers } from '../../../src/common/pythonNumbers';
import { createTokenizer } from '../../../src/tokenizer/createTokenizer';
import { fixtureFiles, fixtureTokenizer, idOf } from './fixtures';

const messages = [{ role: 'user' as const, content: 'Hi' }];
const code = (expected: string) => expect.objectContaining({ code: expected });

describe('createTokenizer with damaged or foreign files', () => {
  it.each([
    ['no files', {}, 'tokenizer-missing'],
    ['tokenizer.json cut off', { tokenizerJson: '{"model": {' }, 'tokenizer-broken'],
    ['a list', { tokenizerJson: '[]' }, 'tokenizer-broken'],
    ['no merges', { tokenizerJson: '{"model": {"vocab": {}}}' }, 'tokenizer-broken'],
    ['another kind of model', { tokenizerJson: '{"model": {"type": "Unigram", "vocab": []}}' }, 'tokenizer-unsupported'],
    ['ids that are no numbers', { tokenizerJson: '{"model": {"vocab": {"a": "x"}, "merges": []}, "decoder": {"type": "ByteLevel"}}' }, 'tokenizer-broken'],
    ['a merge that is no text', { tokenizerJson: '{"model": {"vocab": {"a": 0}, "merges": [5]}, "decoder": {"type": "ByteLevel"}}' }, 'tokenizer-broken'],
    ['a decoder without bytes', { tokenizerJson: '{"model": {"vocab": {"a": 0}, "merges": []}, "decoder": {"type": "Metaspace"}}' }, 'tokenizer-unsupported'],
    ['an added token without content', { tokenizerJson: '{"model": {"vocab": {"a": 0}, "merges": []}, "decoder": {"type": "ByteLevel"}, "added_tokens": [{"id": 1}]}' }, 'tokenizer-broken'],
    ['a SentencePiece model', { tokenizerModel: '\n\u0011\u0003<unk>' }, 'tokenizer-broken'],
    ['a rank twice', { tokenizerModel: 'IQ== 0\nIg== 0\n' }, 'tokenizer-broken'],
    ['an empty model', { tokenizerModel: '\n' }, 'tokenizer-broken'],
    ['tokenizer_config.json not JSON', { ...fixtureFiles('pairs'), tokenizerConfigJson: 'x' }, 'tokenizer-broken'],
  ])('refuses %s', (_what, files, expected) => {
    expect(() => createTokenizer(files)).toThrowError(code(expected));
  });

  it('names the bad line of tokenizer.model', () => {
    expect(() => createTokenizer({ tokenizerModel: 'IQ== 0\n***\n' })).toThrowError(/Line 2 of tokenizer\.model/);
  });
});

describe('stop list', () => {
  it('is taken from generation_config, else config, else the tokenizer', () => {
    const generationConfigJson = { eos_token_id: [5, 6, 5] };
    const configJson = { eos_token_id: 7 };
    expect(fixtureTokenizer('pairs', {}, { generationConfigJson, configJson }).eosIds).toEqual([5, 6]);
    expect(fixtureTokenizer('pairs', {}, { generationConfigJson: {}, configJson }).eosIds).toEqual([7]);
    expect(() => fixtureTokenizer('pairs', {}, { generationConfigJson: { eos_token_id: '5' }, configJson })).toThrowError(code('tokenizer-broken'));
    const plain = fixtureTokenizer('pairs');
    expect(plain.eosIds).toEqual([idOf(plain, '<|endoftext|>')]);
  });
});

describe('chat template', () => {
  it('is missing for a base checkpoint, which says so', () => {
    const base = fixtureTokenizer('pairs', { chatTemplateJinja: undefined });
    expect(base.hasChatTemplate).toBe(false);
    expect(() => base.renderChat({ messages })).toThrowError(code('no-chat-template'));
  });

  it('is found among several by the name "default", in a list or a map; where that is missing, the others are named', () => {
    const withTemplates = (chatTemplate: unknown) => fixtureTokenizer('pairs', { chatTemplateJinja: undefined, tokenizerConfigJson: JSON.stringify({ chat_template: chatTemplate }) });
    const source = '{{ messages[0].content }}!';
    expect(withTemplates({ default: source, rag: 'x' }).renderChat({ messages }).text).toBe('Hi!');
    expect(withTemplates([{ name: 'default', template: source }, { name: 'rag', template: 'x' }]).renderChat({ messages }).text).toBe('Hi!');
    expect(() => withTemplates([{ name: 'rag', template: 'x' }, { name: 'tool_use', template: 'y' }]).renderChat({ messages })).toThrow(/templates for special uses \(rag, tool_use\), but none that is called "default"/);
  });

  it('reads additional_chat_templates by name, before those of tokenizer_config.json', () => {
    const textOf = (files: object, tools?: never[]) => fixtureTokenizer('pairs', { chatTemplateJinja: undefined, ...files }).renderChat({ messages, tools }).text;
    const inConfig = { tokenizerConfigJson: JSON.stringify({ chat_template: { default: 'config', tool_use: 'config tools' } }) };
    expect(textOf({ chatTemplateJinja: 'plain', additionalChatTemplates: { tool_use: 'tools', rag: 'rag' } })).toBe('plain');
    expect(textOf({ chatTemplateJinja: 'plain', additionalChatTemplates: { tool_use: 'tools', rag: 'rag' } }, [])).toBe('tools');
    expect(textOf({ ...inConfig, chatTemplateJinja: 'plain' }, [])).toBe('plain');
    expect(textOf({ chatTemplateJinja: 'plain', additionalChatTemplates: { default: 'named' } })).toBe('named');
    expect(() => textOf({ ...inConfig, additionalChatTemplates: { rag: 'rag' } })).toThrow(/templates for special uses \(rag\), but none that is called "default"/);
  });

  it('falls back to the GLM-4 structure for the original layout when it stops at <|user|>, as only chat releases do', () => {
    const bare = { chatTemplateJinja: undefined };
    const user = idOf(fixtureTokenizer('ranks'), '<|user|>');
    const chat = fixtureTokenizer('ranks', bare, { configJson: { eos_token_id: [0, user] } });
    const tool = { name: 'clock', description: 'time' };
    expect(chat.renderChat({ messages: [...messages, { role: 'assistant', content: '{}', metadata: 'clock' }, { role: 'tool', content: '12' }], tools: [tool] }).text).toBe(
      `[gMASK]<sop><|system|>\n你是一个名为 ChatGLM 的人工智能助手。你是基于智谱AI训练的语言模型 GLM-4 模型开发的，你的任务是针对用户的问题和要求提供适当的答复和支持。\n\n# 可用工具\n\n## clock\n\n{\n    "name": "clock",\n    "description": "time"\n}\n在调用上述函数时，请使用 Json 格式表示调用的参数。<|user|>\nHi<|assistant|>clock\n{}<|observation|>\n12<|assistant|>`,
    );
    expect(fixtureTokenizer('ranks', bare, { configJson: { eos_token_id: [0] } }).hasChatTemplate).toBe(false);
  });

  it('reports the template’s own message, a syntax error, an empty conversation and a reserved variable', () => {
    const failing = fixtureTokenizer('pairs', { chatTemplateJinja: "{{ raise_exception('only two turns') }}" });
    expect(() => failing.renderChat({ messages })).toThrowError(/only two turns/);
    expect(() => fixtureTokenizer('pairs', { chatTemplateJinja: '{% if %}' }).renderChat({ messages })).toThrowError(code('template-failed'));
    expect(() => fixtureTokenizer('pairs', { chatTemplateJinja: '{% if %}' }).renderChat({ messages })).toThrow(/chat template cannot be read: .*[^.]\. Put one that can be/);
    expect(() => fixtureTokenizer('pairs').renderChat({ messages: [] })).toThrowError(code('template-failed'));
    expect(() => fixtureTokenizer('pairs').renderChat({ messages, templateKwargs: { messages: [] } })).toThrowError(/messages cannot be set/);
  });

  it('says whether the prompt opens a thought', () => {
    expect(fixtureTokenizer('ranks').renderChat({ messages }).promptOpensThink).toBe(true);
    expect(fixtureTokenizer('pairs').renderChat({ messages }).promptOpensThink).toBe(false);
    expect(fixtureTokenizer('ranks').thinks).toBe(true);
    expect(fixtureTokenizer('prefixed').thinks).toBe(false);
  });

  it.each([
    ["{{ 'xxaxx'.strip('x') }}", 'a'],
    ["{{ '\\n\\n a \\n'.lstrip('\\n') }}|", ' a \n|'],
    ["{{ 'a.b.c'.rsplit('.', 1)[0] }}", 'a.b'],
    ["{{ ' a  b '.rsplit()[1] }}", 'b'],
    ["{{ 'prefix'.removeprefix('pre') }}{{ 'a.py'.removesuffix('.py') }}{{ 'abc'.find('c') }}", 'fixa2'],
    ["{{ messages[0].content | trim }}{{ ' y ' | trim }}", 'Hiy'],
    ["{{ '😀a😀'.strip('😀') }}", 'a'],
    ["{{ 'hELLO'.capitalize() }}{{ 'hELLO' | capitalize }}{{ '-'.join(['a', 'b']) }}{{ 'a\\r\\nb\\n'.splitlines() | length }}{{ '12'.isdigit() }}", 'HelloHelloa-b2True'],
  ])('has Python’s string methods: %s', (chatTemplateJinja, expected) => {
    expect(fixtureTokenizer('pairs', { chatTemplateJinja }).renderChat({ messages }).text).toBe(expected);
  });

  it.each([
    ['{{ true }} {{ none }} {{ 1 == 2 }} {{ 1.0 }} {{ 6 / 2 }} {{ 0.00001 }} {{ unknown }}', 'True None False 1.0 3.0 1e-05 '],
    [`{{ ['a', "it's", none, true, 1.5, {'k': (1, 2)}] }}`, `['a', "it's", None, True, 1.5, {'k': (1, 2)}]`],
    ["{{ ['tab\\t', 'é', '\\u200b'] }}", String.raw`['tab\t', 'é', '\u200b']`],
    ["{{ 'a' ~ true ~ none ~ 1 }}{{ [true] | string }}", 'aTrueNone1[True]'],
    ["{{ {'b': [1, none], 'a': 'é'} | tojson }}{{ {'b': 1, 'a': 'é'} | tojson(ensure_ascii=True, sort_keys=True) }}{{ {'b': 1} | tojson(separators=(',', ':')) }}", '{"b": [1, null], "a": "é"}{"a": "\\u00e9", "b": 1}{"b":1}'],
    ["{{ {'a': [], 'b': {'c': 1}} | tojson(indent=2) }}", '{\n  "a": [],\n  "b": {\n    "c": 1\n  }\n}'],
    ['{% for part in messages[0].parts %}x{% else %}none{% endfor %}{% for m in messages if m.role == "user" %}{{ m.role }}{% endfor %}', 'noneuser'],
  ])('writes values as Python writes them: %s', (chatTemplateJinja, expected) => {
    expect(fixtureTokenizer('pairs', { chatTemplateJinja }).renderChat({ messages }).text).toBe(expected);
  });

  it('keeps how the numbers of a tool were spelled', () => {
    const json = '[{"name": "f", "minimum": 0.0, "step": 1e-7, "most": 12345678901234567890, "size": 3, "half": 0.5}]';
    const tools = parseJsonKeepingNumbers(json) as Record<string, unknown>[];
    const render = (chatTemplateJinja: string): string => fixtureTokenizer('pairs', { chatTemplateJinja }).renderChat({ messages, tools }).text;
    expect(render('{{ tools | tojson }}')).toBe(json.replace('1e-7', '1e-07'));
    expect(render('{{ tools[0].minimum }} {{ tools[0] }}')).toBe("0.0 {'name': 'f', 'minimum': 0.0, 'step': 1e-07, 'most': 12345678901234567890, 'size': 3, 'half': 0.5}");
  });

  it('takes the tool template of a list when there are tools', () => {
    const config = { chat_template: [{ name: 'default', template: 'plain' }, { name: 'tool_use', template: 'tools' }] };
    const tokenizer = fixtureTokenizer('pairs', { chatTemplateJinja: undefined, tokenizerConfigJson: JSON.stringify(config) });
    expect(tokenizer.renderChat({ messages }).text).toBe('plain');
    expect(tokenizer.renderChat({ messages, tools: [{ name: 'f' }] }).text).toBe('tools');
  });
});

describe('added tokens', () => {
  it('declared only in tokenizer_config are added, and its flags win', () => {
    const config = JSON.parse(fixtureFiles('pairs').tokenizerConfigJson!) as { added_tokens_decoder: Record<string, object> };
    const think = idOf(fixtureTokenizer('pairs'), '<think>');
    config.added_tokens_decoder[String(think)] = { content: '<think>', special: true };
    config.added_tokens_decoder['700'] = { content: '<new>', special: false };
    const tokenizer = fixtureTokenizer('pairs', { tokenizerConfigJson: JSON.stringify(config) });
    expect([...tokenizer.encode('<new>', 'no-special')]).toEqual([700]);
    expect(tokenizer.decode([think, 700], { skipSpecial: true })).toBe('<new>');
  });
});

describe('minTokens', () => {
  it('never exceeds the true number of tokens, and grows with the text', () => {
    const tokenizer = fixtureTokenizer('prefixed');
    for (const text of ['', 'a', '<|endoftext|><|user|>', 'ordinary words, 你好，😀', ' '.repeat(5000), 'é'.repeat(300)]) {
      expect(tokenizer.minTokens(text)).toBeLessThanOrEqual(tokenizer.encode(text, 'no-special').length);
    }
    expect(tokenizer.minTokens('你'.repeat(100_000))).toBeGreaterThan(10_000);
  });
});
