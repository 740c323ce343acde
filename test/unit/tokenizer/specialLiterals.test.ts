import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fixtureTokenizer, idOf } from './fixtures';

const moe = fixtureTokenizer('pairs');
const turns = fixtureTokenizer('prefixed');
const z1 = fixtureTokenizer('ranks');

describe('renderChat with special literals in a message', () => {
  it('keeps a role marker in user text as text, and the template’s own markers as ids', () => {
    const content = 'Say <|assistant|> and <|endoftext|> verbatim.';
    const { text, ids } = turns.renderChat({ messages: [{ role: 'user', content }] });
    expect(text).toBe(`[gMASK]<sop><|user|>\n${content}<|assistant|>`);
    const id = (token: string): number => idOf(turns, token);
    expect([...ids]).toEqual([id('[gMASK]'), id('<sop>'), id('<|user|>'), ...turns.encode(`\n${content}`, 'plain'), id('<|assistant|>')]);
  });

  it.each(['<|us<|user|>er|>', '<|user|><|user|>', '<<|user|>>', '<|user|', '|user|>', '[gMASK]<sop>'])('cannot be tricked by %s', (content) => {
    const ids = [...turns.renderChat({ messages: [{ role: 'user', content }] }).ids];
    expect(ids.filter((id) => turns.specialTokens.some((token) => token.id === id))).toHaveLength(4);
    expect(turns.decode(ids, { skipSpecial: false })).toBe(`[gMASK]<sop><|user|>\n${content}<|assistant|>`);
  });

  it('guards tool descriptions, parameter names, metadata and system text', () => {
    const { text, ids } = turns.renderChat({
      messages: [
        { role: 'system', content: '<|user|>' },
        { role: 'user', content: 'go' },
        { role: 'assistant', content: '{}', metadata: 'tool<|user|>' },
        { role: 'observation', content: '<|system|>' },
      ],
      tools: [{ name: 'f<|assistant|>', description: '<eop>', parameters: { properties: { '<|observation|>': {} } } }],
    });
    const count = (token: string): number => ids.filter((id) => id === idOf(turns, token)).length;
    expect({ system: count('<|system|>'), user: count('<|user|>'), assistant: count('<|assistant|>'), observation: count('<|observation|>'), eop: count('<eop>') }).toEqual({ system: 2, user: 1, assistant: 2, observation: 1, eop: 0 });
    expect(turns.decode(ids, { skipSpecial: false })).toBe(text);
  });

  it('lets a template cut an answer at </think> although the answer holds a role marker', () => {
    const { text, ids } = z1.renderChat({ messages: [{ role: 'user', content: '?' }, { role: 'assistant', content: '<think>secret <|user|></think>\nIt is <|user|>.' }, { role: 'user', content: '!' }] });
    expect(text).toBe('[gMASK]<sop><|user|>\n?<|assistant|>\nIt is <|user|>.<|user|>\n!<|assistant|>\n<think>');
    expect(ids.filter((id) => id === idOf(z1, '<|user|>'))).toHaveLength(2);
  });

  it('leaves a literal that the template itself looks for, and still keeps role markers as text', () => {
    const { text, ids } = moe.renderChat({ messages: [{ role: 'user', content: 'a' }, { role: 'assistant', content: '<think>x</think>b <|user|>' }, { role: 'user', content: 'c <|user|> /nothink' }], templateKwargs: { enable_thinking: false } });
    expect(text).toBe('[gMASK]<sop><|user|>\na/nothink<|assistant|>\n<think></think>\nb <|user|><|user|>\nc <|user|> /nothink<|assistant|>\n<think></think>');
    expect(ids.filter((id) => id === idOf(moe, '<|user|>'))).toHaveLength(2);
  });

  it('keeps the model’s own <tool_call> as a token and a user’s as text', () => {
    const id = idOf(moe, '<tool_call>');
    const of = (role: 'user' | 'assistant'): Int32Array => moe.renderChat({ messages: [{ role: 'user', content: 'go' }, { role, content: 'x <tool_call>' }] }).ids;
    expect(of('assistant')).toContain(id);
    expect(of('user')).not.toContain(id);
  });

  it('never yields more markers than the template writes, and always the text as written (property)', () => {
    const piece = fc.constantFrom('<|user|>', '<|assistant|>', '[gMASK]', '<|', '|>', 'user', '<sop>', ' ', 'a', '\n', '你', '<|endoftext|>', '\ue000', '\uf8ff');
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), (pieces) => {
        const content = pieces.join('');
        const { text, ids } = turns.renderChat({ messages: [{ role: 'user', content }] });
        expect(text).toBe(`[gMASK]<sop><|user|>\n${content}<|assistant|>`);
        expect(turns.decode(ids, { skipSpecial: false })).toBe(text);
        expect(ids.filter((id) => turns.specialTokens.some((token) => token.id === id))).toHaveLength(4);
      }),
      { numRuns: 150 },
    );
  });
});
