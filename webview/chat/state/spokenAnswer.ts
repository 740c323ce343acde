/** Text for screen readers from a finished answer: its beginning, without Markdown's signs, so that nobody has to hear 20,000 tokens. */

const spokenCharacters = 400;

export function spokenAnswer(markdown: string): string {
  const text = markdown
    .replace(/```[^\n]*\n[\s\S]*?(```|$)/g, ' (code) ')
    .replace(/[`*_#>|]/g, '')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/\s+/g, ' ')
    .trim();
  return text.length <= spokenCharacters ? text : `${text.slice(0, spokenCharacters)} …`;
}
