/** Renders rule pages as Markdown: what the files in docs/rules hold. */
import { ruleUrl } from './ruleUrl';
import { usage } from './usageText';
import { rules } from './rules/registry';
import type { Rule } from './rules/rule';

export type PageLanguage = 'en' | 'zh';

const words = {
  en: {
    generated: 'Written by `npm run docs:rules` from the rule’s own file in src/diagnostics/rules; do not edit.',
    other: '中文',
    severity: 'Severity',
    byDefault: 'By default',
    on: 'on',
    off: 'off',
    fix: 'Fix',
    what: 'What it does',
    why: 'Why is this bad?',
    example: 'Example',
    instead: 'Use instead:',
    safety: 'Fix safety',
    options: 'Options',
    limits: 'Known limits',
    safe: 'safe: the program computes the same',
    unsafe: 'unsafe: applied only when asked for',
    none: 'none',
    common: (code: string, name: string) => [
      `\`glm.lint.rules\` in the editor, or \`[tool.glm.severity]\` in pyproject.toml, sets another severity or \`"off"\` for \`${code}\` (or \`${name}\`).`,
      `\`# noqa: ${code}\` or \`# glm: ignore[${code}]\` on the line, or the latter on the line above, silences one place.`,
    ],
    list: 'Rules for Python files and notebooks',
    intro: ['`glm lint` and the editor report these mistakes; a rule that is not sure stays silent.'],
    columns: '| rule | name | severity | default | fix |\n|---|---|---|---|---|',
  },
  zh: {
    generated: '由 `npm run docs:rules` 根据 src/diagnostics/rules 中规则自己的文件生成，请勿手改。',
    other: 'English',
    severity: '级别',
    byDefault: '默认',
    on: '开启',
    off: '关闭',
    fix: '修复',
    what: '检查什么',
    why: '为什么不好',
    example: '示例',
    instead: '应改为：',
    safety: '修复的安全性',
    options: '选项',
    limits: '已知局限',
    safe: '安全：程序的计算结果不变',
    unsafe: '不安全：只在明确要求时应用',
    none: '无',
    common: (code: string, name: string) => [
      `编辑器中的 \`glm.lint.rules\` 或 pyproject.toml 中的 \`[tool.glm.severity]\` 可为 \`${code}\`（或 \`${name}\`）设定其他级别或 \`"off"\`。`,
      `在该行写 \`# noqa: ${code}\` 或 \`# glm: ignore[${code}]\`（后者也可写在上一行）可忽略一处。`,
    ],
    list: 'Python 文件与笔记本的规则',
    intro: ['`glm lint` 和编辑器会报告这些错误；规则没有把握时保持沉默。'],
    columns: '| 规则 | 名称 | 级别 | 默认 | 修复 |\n|---|---|---|---|---|',
  },
} as const;

const severityWords = { en: { error: 'error', warning: 'warning', information: 'information', hint: 'hint' }, zh: { error: '错误', warning: '警告', information: '信息', hint: '提示' } } as const;

/** File name of a page in docs/rules. */
export function rulePageFile(code: string, language: PageLanguage): string {
  return language === 'zh' ? `${code}.zh-CN.md` : `${code}.md`;
}

/** The whole page of a rule. */
export function renderRulePage(rule: Rule, language: PageLanguage): string {
  const word = words[language];
  const page = rule.pages[language];
  const other = language === 'en' ? 'zh' : 'en';
  const section = (title: string, lines: readonly string[]): string => `## ${title}\n${lines.join('\n')}\n`;
  const code = (text: string): string => `\`\`\`python\n${text}\n\`\`\``;
  const hasExampleFix = page.example.bad !== page.example.good;
  return [
    `<!-- ${word.generated} -->`,
    `# ${rule.code} ${rule.name}`,
    `**${page.title}**`,
    '',
    `${word.severity}: ${severityWords[language][rule.severity]} · ${word.byDefault}: ${rule.isOnByDefault ? word.on : word.off} · ${word.fix}: ${word[rule.fixSafety]} · [${word.other}](${rulePageFile(rule.code, other)})`,
    '',
    section(word.what, page.what),
    section(word.why, page.why),
    section(word.example, hasExampleFix ? [code(page.example.bad), word.instead, code(page.example.good)] : [code(page.example.bad)]),
    section(word.safety, page.fix),
    section(word.options, [...page.options, ...word.common(rule.code, rule.name)]),
    section(word.limits, page.limits),
  ].join('\n');
}

/** The list of rules, docs/rules/README.md. */
export function renderRuleList(language: PageLanguage): string {
  const word = words[language];
  const rows = rules.map(
    (rule) =>
      `| [${rule.code}](${rulePageFile(rule.code, language)}) | ${rule.name}: ${rule.pages[language].title} | ${severityWords[language][rule.severity]} | ${rule.isOnByDefault ? word.on : word.off} | ${word[rule.fixSafety]} |`,
  );
  return [`<!-- ${word.generated} -->`, `# ${word.list}`, ...word.intro, '', word.columns, ...rows, '', ...usage[language]].join('\n');
}

/** Every generated file: name in docs/rules → text. */
export function renderAllPages(): ReadonlyMap<string, string> {
  const pages = new Map<string, string>([
    ['README.md', renderRuleList('en')],
    ['README.zh-CN.md', renderRuleList('zh')],
  ]);
  for (const rule of rules) {
    pages.set(rulePageFile(rule.code, 'en'), renderRulePage(rule, 'en'));
    pages.set(rulePageFile(rule.code, 'zh'), renderRulePage(rule, 'zh'));
  }
  return pages;
}

/** A short explanation for a hover: what, why, and the page. */
export function renderHover(rule: Rule, language: PageLanguage): string {
  const page = rule.pages[language];
  return [`**${rule.code} ${page.title}**`, '', page.why.join(language === 'zh' ? '' : ' '), '', page.fix[0] ?? '', '', `[${rule.code} ${rule.name}](${ruleUrl(rule.code, language)})`].join('\n');
}
