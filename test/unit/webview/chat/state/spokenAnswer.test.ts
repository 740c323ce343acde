import { describe, expect, it } from 'vitest';
import { spokenAnswer } from '../../../../../webview/chat/state/spokenAnswer';

describe('spokenAnswer', () => {
  it('drops signs, links and code', () => {
    expect(spokenAnswer('# Yes\n\nUse **bf16**, see [docs](https://x.org).\n\n```py\nprint(1)\n```\nDone.')).toBe('Yes Use bf16, see docs. (code) Done.');
  });

  it('says only the beginning of a long answer', () => {
    const spoken = spokenAnswer('word '.repeat(20_000));
    expect(spoken.length).toBeLessThan(420);
    expect(spoken.endsWith('…')).toBe(true);
  });
});
