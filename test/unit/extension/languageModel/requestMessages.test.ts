import { describe, expect, it } from 'vitest';
import { toChatMessages } from '../../../../src/extension/languageModel/requestMessages';

describe('toChatMessages', () => {
  it('keeps roles, joins text parts and leaves other parts out', () => {
    expect(
      toChatMessages([
        { role: 3, content: [{ value: 'Be brief.' }] },
        { role: 1, content: [{ value: 'Hello ' }, { callId: 'c', content: [] }, { value: 'there' }] },
        { role: 2, content: [{ value: 'Hi' }] },
        { role: 1, content: [{ mimeType: 'image/png', data: new Uint8Array(1) }] },
      ]),
    ).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hello there' },
      { role: 'assistant', content: 'Hi' },
    ]);
  });
});
