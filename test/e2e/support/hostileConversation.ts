import type { Conversation } from '../../../src/common/protocol/webview';

/** What a model could be made to write: nothing of it may run or navigate. */
const text = `Before.

<script>globalThis.pwned = 1</script>
<img src="x" onerror="globalThis.pwned = 2">
<iframe srcdoc="<script>parent.pwned = 3</script>"></iframe>
<form action="https://example.org"><input name="a"></form>
<a href="command:workbench.action.quit">quit</a> <svg onload="globalThis.pwned = 4"></svg>

[a command](command:workbench.action.quit) [a script](javascript:globalThis.pwned=5) ![an image](https://example.org/track.png)

\`\`\`html
<script>globalThis.pwned = 6</script>
\`\`\`

The end of it.`;

export const hostileConversation: Conversation = {
  id: 'hostile-conversation',
  title: 'Hostile answer',
  updatedAtMs: 1_700_000_000_000,
  turns: [
    { id: 'h1', role: 'user', text: 'Write something nasty.' },
    { id: 'h2', role: 'assistant', text, figures: { promptTokens: 5, reusedTokens: 0, generatedTokens: 80, stopReason: 'eos' } },
  ],
};
