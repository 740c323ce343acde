/** The editor's `glm.lint.*` settings. */
import * as vscode from 'vscode';
import type { Severity } from '../../diagnostics/finding';
import type { LintSettings } from '../../diagnostics/settings';

export interface EditorLintSettings extends LintSettings {
  readonly isEnabled: boolean;
  /** Glob of files that the workspace command leaves out. */
  readonly workspaceExclude: string;
}

export const lintSection = 'glm.lint';

const severities: ReadonlySet<string> = new Set(['error', 'warning', 'information', 'hint', 'off']);

/** Settings for one document: folders of a workspace may differ. Values of the wrong type count as unset. */
export function readLintSettings(scope?: vscode.ConfigurationScope): EditorLintSettings {
  const configuration = vscode.workspace.getConfiguration(lintSection, scope);
  const rules = Object.entries(configuration.get<Record<string, unknown>>('rules', {}) ?? {});
  return {
    isEnabled: configuration.get('enabled', true) === true,
    severity: Object.fromEntries(rules.filter((entry): entry is [string, Severity | 'off'] => typeof entry[1] === 'string' && severities.has(entry[1]))),
    workspaceExclude: configuration.get('workspaceExclude', ''),
  };
}
