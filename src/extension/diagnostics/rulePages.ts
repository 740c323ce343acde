/** Rule pages inside the editor: readable without a network, in the editor's language. */
import * as vscode from 'vscode';
import { findRule } from '../../diagnostics/rules/registry';
import { renderRuleList, renderRulePage, rulePageFile } from '../../diagnostics/rulePageText';
import { pageLanguage } from './toVscode';

const scheme = 'glm-rule';

/** In the editor's language; the page links to the other one. */
export function rulePageUri(code: string | undefined): vscode.Uri {
  return vscode.Uri.from({ scheme, path: `/${rulePageFile(code ?? 'rules', pageLanguage())}` });
}

/** Opens a page in the Markdown preview. */
export async function openRulePage(code: string | undefined): Promise<void> {
  await vscode.commands.executeCommand('markdown.showPreview', rulePageUri(code));
}

export function registerRulePages(): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.workspace.registerTextDocumentContentProvider(scheme, {
      provideTextDocumentContent(uri) {
        const rule = findRule(uri.path.replace(/^\/|(\.zh-CN)?\.md$/g, ''));
        const language = uri.path.includes('.zh-CN') ? 'zh' : 'en';
        return rule ? renderRulePage(rule, language) : renderRuleList(language);
      },
    }),
    vscode.commands.registerCommand('glm.openRulePage', (uri?: string) => vscode.commands.executeCommand('markdown.showPreview', uri === undefined ? rulePageUri(undefined) : vscode.Uri.parse(uri))),
  );
}
