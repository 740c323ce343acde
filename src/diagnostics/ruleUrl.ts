/** Where the pages of the rules are published. */
const pages = 'https://github.com/glm-local/glm-local/blob/main/docs/rules';

/** Address of a rule's page, or of the list of rules. */
export function ruleUrl(code?: string, language: 'en' | 'zh' = 'en'): string {
  return `${pages}/${code ?? 'README'}${language === 'zh' ? '.zh-CN' : ''}.md`;
}
