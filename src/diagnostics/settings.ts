/** Which rules run, and how grave their findings are. */
import type { Severity } from './finding';
import type { Rule } from './rules/rule';

export interface LintSettings {
  /** Codes, names or prefixes (`GLM1`) that run instead of the default set. */
  readonly select?: readonly string[];
  /** Codes, names or prefixes that do not run. */
  readonly ignore?: readonly string[];
  /** By code or name: another severity, or `off`. A severity for a rule that is off by default turns it on. */
  readonly severity?: Readonly<Record<string, Severity | 'off'>>;
}

/** The severity a rule runs with, or undefined when it does not run. */
export function severityFor(rule: Rule, settings: LintSettings): Severity | undefined {
  const own = settings.severity?.[rule.code] ?? settings.severity?.[rule.name];
  if (own === 'off' || matches(rule, settings.ignore)) {
    return undefined;
  }
  const isSelected = settings.select && settings.select.length > 0 ? matches(rule, settings.select) : rule.isOnByDefault || own !== undefined;
  return isSelected ? (own ?? rule.severity) : undefined;
}

function matches(rule: Rule, patterns: readonly string[] | undefined): boolean {
  return (patterns ?? []).some((pattern) => pattern.toUpperCase() === 'ALL' || rule.code.startsWith(pattern.toUpperCase()) || rule.name === pattern);
}
