import { describe, expect, it } from 'vitest';
import { addAttachment, decodeAttachment, largestAttachmentBytes } from '../../../../src/extension/chat/attachments';

const ofBytes = (name: string, bytes: number) => ({ name, text: 'a'.repeat(bytes) });

describe('addAttachment', () => {
  it('replaces one of the same name', () => {
    expect(addAttachment([{ name: 'a', text: 'old' }, { name: 'b', text: 'b' }], { name: 'a', text: 'new' })).toEqual([
      { name: 'b', text: 'b' },
      { name: 'a', text: 'new' },
    ]);
  });

  it('counts bytes, not characters', () => {
    expect(() => addAttachment([], { name: 'zh.txt', text: '汉'.repeat(largestAttachmentBytes / 2) })).toThrow(expect.objectContaining({ code: 'attachment-too-large' }));
  });

  it('refuses more than fits together', () => {
    const four = ['1', '2', '3', '4'].map((name) => ofBytes(name, largestAttachmentBytes));
    expect(() => addAttachment(four, ofBytes('5', 1))).toThrow(expect.objectContaining({ code: 'attachments-too-large' }));
    expect(addAttachment(four, ofBytes('4', 1))).toHaveLength(4);
  });
});

describe('decodeAttachment', () => {
  it('takes UTF-8 text only', () => {
    expect(decodeAttachment('a.txt', new TextEncoder().encode('größe'))).toBe('größe');
    expect(() => decodeAttachment('a.png', new Uint8Array([0x89, 0x50, 0xff]))).toThrow(expect.objectContaining({ code: 'attachment-not-text' }));
    expect(() => decodeAttachment('a.bin', new Uint8Array([65, 0, 66]))).toThrow(expect.objectContaining({ code: 'attachment-not-text' }));
  });
});
