/** The analyser's plain findings as the editor's objects. */
import * as vscode from 'vscode';
import type { Diagnostic, Range, Severity } from '../../diagnostics/finding';
import { ruleUrl } from '../../diagnostics/ruleUrl';

export const diagnosticSource = 'glm';

const severityOf: Record<Severity, vscode.DiagnosticSeverity> = {
  error: vscode.DiagnosticSeverity.Error,
  warning: vscode.DiagnosticSeverity.Warning,
  information: vscode.DiagnosticSeverity.Information,
  hint: vscode.DiagnosticSeverity.Hint,
};

/** A finding the editor shows, with the analyser's own beside it for fixes. */
export class GlmDiagnostic extends vscode.Diagnostic {
  constructor(
    readonly finding: Diagnostic,
    uriOfCell: (cell: number | undefined) => vscode.Uri | undefined,
  ) {
    super(toRange(finding.range), finding.message, severityOf[finding.severity]);
    this.source = diagnosticSource;
    this.code = { value: finding.rule, target: vscode.Uri.parse(ruleUrl(finding.rule, pageLanguage())) };
    this.relatedInformation = finding.related.flatMap((related) => {
      const uri = uriOfCell(related.cell);
      return uri ? [new vscode.DiagnosticRelatedInformation(new vscode.Location(uri, toRange(related.range)), related.message)] : [];
    });
  }
}

export function toRange(range: Range): vscode.Range {
  return new vscode.Range(range.start.line, range.start.column, range.end.line, range.end.column);
}

/** The rule code of a diagnostic of ours, also of a copy the editor hands back. */
export function ruleCodeOf(diagnostic: vscode.Diagnostic): string | undefined {
  if (diagnostic.source !== diagnosticSource) {
    return undefined;
  }
  const code = typeof diagnostic.code === 'object' ? diagnostic.code.value : diagnostic.code;
  return code === undefined ? undefined : String(code);
}

/** Rule pages exist in English and Chinese. */
export function pageLanguage(): 'en' | 'zh' {
  return vscode.env.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}
