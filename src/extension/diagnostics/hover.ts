/** Explains a finding where it stands. */
import * as vscode from 'vscode';
import { findRule } from '../../diagnostics/rules/registry';
import { renderHover } from '../../diagnostics/rulePageText';
import type { DiagnosticsController } from './diagnosticsController';
import { rulePageUri } from './rulePages';
import { pageLanguage } from './toVscode';

export class LintHover implements vscode.HoverProvider {
  constructor(private readonly controller: DiagnosticsController) {}

  provideHover(document: vscode.TextDocument, position: vscode.Position): vscode.Hover | undefined {
    const here = this.controller.findingsIn(document.uri).filter((diagnostic) => diagnostic.range.contains(position));
    const contents = here.flatMap((diagnostic) => {
      const rule = findRule(diagnostic.finding.rule);
      if (!rule) {
        return [];
      }
      const text = new vscode.MarkdownString(renderHover(rule, pageLanguage()));
      const page = encodeURIComponent(JSON.stringify([rulePageUri(rule.code).toString()]));
      text.appendMarkdown(` · [$(book)](command:glm.openRulePage?${page} "Show the page of ${rule.code} in the editor")`);
      text.isTrusted = { enabledCommands: ['glm.openRulePage'] };
      text.supportThemeIcons = true;
      return [text];
    });
    return contents.length > 0 ? new vscode.Hover(contents) : undefined;
  }
}
