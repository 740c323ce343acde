/** The editor's `glm.lint.*` settings, and what the project of a file says beside them. */
import * as vscode from 'vscode';
import type { Severity } from '../../diagnostics/finding';
import { rules } from '../../diagnostics/rules/registry';
import { severityFor, type LintSettings } from '../../diagnostics/settings';
import { isLeftOut, type ProjectConfigs } from './projectConfigs';

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

/**
 * Settings for one file with those of its project. What is set in the editor comes before pyproject.toml, rule by rule; a file that the project leaves out is not looked at.
 *
 * @param scope where the editor's settings are read; the file itself unless given.
 */
export async function settingsOfFile(projects: ProjectConfigs, file: vscode.Uri, scope: vscode.ConfigurationScope = file): Promise<EditorLintSettings> {
  const own = readLintSettings(scope);
  const project = own.isEnabled ? await projects.nearest(file) : undefined;
  if (project === undefined) {
    return own;
  }
  const severity = Object.fromEntries(rules.map((rule) => [rule.code, own.severity?.[rule.code] ?? own.severity?.[rule.name] ?? severityFor(rule, project) ?? ('off' as const)]));
  return { ...own, severity, isEnabled: !isLeftOut(file, project) };
}
