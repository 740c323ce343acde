/** The editor's language id for a fence's language, for a new file. */
export function editorLanguageId(language: string): string | undefined {
  const ids: Readonly<Record<string, string>> = { py: 'python', python3: 'python', js: 'javascript', ts: 'typescript', sh: 'shellscript', bash: 'shellscript', shell: 'shellscript', zsh: 'shellscript', console: 'shellscript', 'c++': 'cpp', cu: 'cpp', cuda: 'cuda-cpp', 'c#': 'csharp', cs: 'csharp', yml: 'yaml', md: 'markdown', rs: 'rust', html: 'html', toml: 'toml', jsonl: 'json' };
  return language === '' ? undefined : (ids[language] ?? language);
}
