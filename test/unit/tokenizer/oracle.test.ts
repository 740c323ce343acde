import { describe, expect, it } from 'vitest';
import { fixtureNames, fixtureTokenizer, readOracle } from './fixtures';

describe.each(fixtureNames)('tokenizer %s against transformers', (name) => {
  const tokenizer = fixtureTokenizer(name);
  const oracle = readOracle(name);

  it('has as many ids', () => {
    expect(tokenizer.vocabSize).toBe(oracle.size);
  });

  it('encodes every text to the same ids, in all three modes', () => {
    expect(oracle.texts.length).toBeGreaterThanOrEqual(300);
    const wrong = oracle.texts.filter(([text, ids, noSpecial, plain]) =>
      [tokenizer.encode(text, 'special'), tokenizer.encode(text, 'no-special'), tokenizer.encode(text, 'plain')].some((got, i) => String([...got]) !== String([ids, noSpecial, plain][i])),
    );
    expect(wrong.map(([text]) => text)).toEqual([]);
  });

  it('decodes them to the same text, with and without special tokens', () => {
    for (const [, ids, , , decoded, withoutSpecial] of oracle.texts) {
      expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(decoded);
      expect(tokenizer.decode(ids, { skipSpecial: true })).toBe(withoutSpecial);
    }
  });

  it('decodes random ids, broken characters included, to the same text', () => {
    for (const [ids, decoded, withoutSpecial] of oracle.decodes) {
      expect(tokenizer.decode(ids, { skipSpecial: false })).toBe(decoded);
      expect(tokenizer.decode(ids, { skipSpecial: true })).toBe(withoutSpecial);
    }
  });

  it.each(oracle.chats)('renders the conversation $name to the same text and ids', ({ messages, tools, add_generation_prompt: addGenerationPrompt, enable_thinking, text, ids, error }) => {
    const chat = { messages, tools, addGenerationPrompt, templateKwargs: enable_thinking === undefined ? {} : { enable_thinking } };
    if (error !== undefined) {
      expect(() => tokenizer.renderChat(chat)).toThrowError(expect.objectContaining({ code: 'template-failed', fields: { templateMessage: error } }));
      return;
    }
    const rendered = tokenizer.renderChat(chat);
    expect(rendered.text).toBe(text);
    expect([...rendered.ids]).toEqual(ids);
  });
});
