import { describe, expect, it } from 'vitest';
import { buildPrompt } from '../../../../src/extension/chat/buildPrompt';

const chat = { systemPrompt: '', mode: 'chat' } as const;

describe('buildPrompt', () => {
  it('puts the system prompt first and leaves out empty answers and think parts', () => {
    const prompt = buildPrompt(
      [
        { id: '1', role: 'user', text: 'Hi' },
        { id: '2', role: 'assistant', text: '' },
        { id: '3', role: 'user', text: 'Again' },
        { id: '4', role: 'assistant', text: 'Yes', thinking: 'secret' },
      ],
      { systemPrompt: 'Be brief.', mode: 'chat' },
    );
    expect(prompt).toEqual({
      kind: 'chat',
      chat: {
        addGenerationPrompt: true,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hi' },
          { role: 'user', content: 'Again' },
          { role: 'assistant', content: 'Yes' },
        ],
      },
    });
  });

  it('fences an attachment so that its own fences cannot end it', () => {
    const prompt = buildPrompt([{ id: '1', role: 'user', text: 'Explain', attachments: [{ name: 'a.md', languageId: 'markdown', text: 'x\n````\ny' }] }], chat);
    expect(prompt).toMatchObject({ chat: { messages: [{ content: 'a.md:\n`````markdown\nx\n````\ny\n`````\n\nExplain' }] } });
  });

  it('continues plain text in completion mode', () => {
    const turns = [
      { id: '1', role: 'user', text: 'Once upon' },
      { id: '2', role: 'assistant', text: ' a time' },
    ] as const;
    expect(buildPrompt(turns, { systemPrompt: 'ignored', mode: 'completion' })).toEqual({ kind: 'text', text: 'Once upon a time' });
  });
});
