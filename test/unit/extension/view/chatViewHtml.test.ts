import { describe, expect, it } from 'vitest';
import { chatViewHtml } from '../../../../src/extension/view/chatViewHtml';

const html = chatViewHtml({ cspSource: 'https://view.example', scriptUri: 'https://view.example/chat.js', nonce: 'N0nce', title: 'GLM' });

describe('chatViewHtml', () => {
  it('allows one script by its nonce and neither inline code nor connections', () => {
    const policy = /Content-Security-Policy" content="([^"]+)"/.exec(html)?.[1] ?? '';
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'nonce-N0nce'");
    expect(policy).not.toMatch(/unsafe|connect-src|http:|\*/);
  });

  it('gives every script and style of the page the nonce', () => {
    const tags = [...html.matchAll(/<(script|style)\b([^>]*)>/g)];
    expect(tags).toHaveLength(2);
    expect(tags.every(([, , attributes]) => attributes?.includes('nonce="N0nce"'))).toBe(true);
    expect(html).toContain('<meta property="csp-nonce" content="N0nce">');
  });
});
