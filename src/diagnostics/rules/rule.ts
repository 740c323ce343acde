/** The shape of a rule: everything about it stands in its own file. */
import type { Facts } from '../semantics/facts';
import type { Finding, FixSafety, Severity } from '../finding';
import type { Span } from '../syntax/ast';

export interface RuleContext {
  readonly facts: Facts;
  readonly source: string;
  textOf(span: Span): string;
}

/** The rule page in one language; every sentence stands on a line of its own in the page. */
export interface RulePage {
  readonly title: string;
  readonly what: readonly string[];
  readonly why: readonly string[];
  /** Python that is reported, and the same after the fix. */
  readonly example: { readonly bad: string; readonly good: string };
  readonly fix: readonly string[];
  readonly options: readonly string[];
  readonly limits: readonly string[];
}

export interface Rule {
  readonly code: string;
  /** kebab-case, as in settings and pages. */
  readonly name: string;
  readonly severity: Severity;
  readonly isOnByDefault: boolean;
  readonly fixSafety: FixSafety | 'none';
  readonly pages: { readonly en: RulePage; readonly zh: RulePage };
  check(context: RuleContext): readonly Finding[];
}
