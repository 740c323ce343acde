/** The output formats of `glm lint`: the same findings for people, programs, code scanning and GitHub annotations. */
import { isAbsolute, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Diagnostic, Severity } from '../../diagnostics/finding';
import { ruleUrl } from '../../diagnostics/ruleUrl';
import { rules } from '../../diagnostics/rules/registry';
import type { FileReport } from './lintFile';

export const lintFormats = ['text', 'json', 'sarif', 'github'] as const;
export type LintFormat = (typeof lintFormats)[number];

/** One finding in JSON: positions count from 1, `cell` from 0 among all cells of the notebook. */
export interface JsonFinding {
  readonly file: string;
  readonly cell?: number;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  readonly rule: string;
  readonly severity: Severity;
  readonly message: string;
  readonly fix?: { readonly title: string; readonly safety: string; readonly edits: readonly object[] };
}

export function toJson(reports: readonly FileReport[]): readonly JsonFinding[] {
  return reports.flatMap(({ file, diagnostics }) =>
    diagnostics.map((diagnostic) => ({
      file,
      ...(diagnostic.cell === undefined ? {} : { cell: diagnostic.cell }),
      ...span(diagnostic.range),
      rule: diagnostic.rule,
      severity: diagnostic.severity,
      message: diagnostic.message,
      ...(diagnostic.fix && {
        fix: {
          title: diagnostic.fix.title,
          safety: diagnostic.fix.safety,
          edits: diagnostic.fix.edits.map((edit) => ({ ...(edit.cell === undefined ? {} : { cell: edit.cell }), ...span(edit.range), text: edit.text })),
        },
      }),
    })),
  );
}

export function toText(reports: readonly FileReport[]): string {
  const lines = reports.flatMap(({ file, diagnostics }) =>
    diagnostics.map((diagnostic) => {
      const { line, column } = diagnostic.range.start;
      const cell = diagnostic.cell === undefined ? '' : `cell ${diagnostic.cell}:`;
      return `${file}:${cell}${line + 1}:${column + 1}: ${diagnostic.severity} ${diagnostic.rule}${diagnostic.fix?.safety === 'safe' ? ' [*]' : ''} ${diagnostic.message}`;
    }),
  );
  return lines.map((line) => `${line}\n`).join('');
}

/** The sentence after the findings, for people. */
export function summarize(reports: readonly FileReport[]): string {
  const found = reports.flatMap((report) => report.diagnostics);
  const numFixed = reports.reduce((sum, report) => sum + report.numFixed, 0);
  const numFixable = found.filter((diagnostic) => diagnostic.fix?.safety === 'safe').length;
  const fixed = numFixed > 0 ? `Fixed ${count(numFixed, 'problem')}. ` : '';
  if (found.length === 0) {
    return `${fixed}Nothing found in ${count(reports.filter((report) => !report.isUnchecked).length, 'file')}.`;
  }
  const fixable = numFixable > 0 ? ` [*] ${numFixable} can be fixed with --fix.` : '';
  return `${fixed}Found ${count(found.length, 'problem')} in ${count(reports.filter((report) => report.diagnostics.length > 0).length, 'file')} of ${reports.length}.${fixable}`;
}

/** Workflow commands that GitHub turns into annotations. */
export function toGithub(reports: readonly FileReport[]): string {
  const levels: Record<Severity, string> = { error: 'error', warning: 'warning', information: 'notice', hint: 'notice' };
  return reports
    .flatMap(({ file, diagnostics }) =>
      diagnostics.map((diagnostic) => {
        const { line, column, endLine, endColumn } = span(diagnostic.range);
        // Lines of a notebook count inside its cells: an annotation there would point at the wrong line of JSON.
        const position = diagnostic.cell === undefined ? `,line=${line},col=${column},endLine=${endLine},endColumn=${endColumn}` : '';
        const place = diagnostic.cell === undefined ? '' : `cell ${diagnostic.cell}, line ${line}: `;
        return `::${levels[diagnostic.severity]} file=${escapeProperty(pathFromHere(file))}${position},title=${diagnostic.rule}::${escapeData(`${place}${diagnostic.message}`)}\n`;
      }),
    )
    .join('');
}

/** SARIF 2.1.0, as code scanning services read it. */
export function toSarif(reports: readonly FileReport[], version: string): object {
  const levels: Record<Severity, string> = { error: 'error', warning: 'warning', information: 'note', hint: 'note' };
  // Lines of a notebook count inside its cells: a region there would point at the wrong line of JSON, so the place is named instead.
  const location = (file: string, diagnostic: { readonly cell?: number; readonly range: Diagnostic['range'] }): object =>
    diagnostic.cell === undefined
      ? { physicalLocation: { artifactLocation: { uri: uriOf(file) }, region: region(diagnostic.range) } }
      : { physicalLocation: { artifactLocation: { uri: uriOf(file) } }, logicalLocations: [{ name: `cell ${diagnostic.cell}, line ${diagnostic.range.start.line + 1}`, kind: 'cell' }] };
  const placed = (diagnostic: Diagnostic): string => (diagnostic.cell === undefined ? '' : `cell ${diagnostic.cell}, line ${diagnostic.range.start.line + 1}: `) + diagnostic.message;
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'glm',
            version,
            informationUri: ruleUrl(),
            rules: rules.map((rule) => ({
              id: rule.code,
              name: rule.name,
              shortDescription: { text: rule.pages.en.title },
              helpUri: ruleUrl(rule.code),
              defaultConfiguration: { level: levels[rule.severity], enabled: rule.isOnByDefault },
            })),
          },
        },
        columnKind: 'utf16CodeUnits',
        results: reports.flatMap(({ file, diagnostics }) =>
          diagnostics.map((diagnostic) => ({
            ruleId: diagnostic.rule,
            ruleIndex: rules.findIndex((rule) => rule.code === diagnostic.rule),
            level: levels[diagnostic.severity],
            message: { text: placed(diagnostic) },
            locations: [location(file, diagnostic)],
            relatedLocations: diagnostic.related.map((related, id) => ({ id, ...location(file, related), message: { text: related.message } })),
            ...(diagnostic.fix && diagnostic.cell === undefined
              ? {
                  fixes: [
                    {
                      description: { text: diagnostic.fix.title },
                      artifactChanges: [
                        { artifactLocation: { uri: uriOf(file) }, replacements: diagnostic.fix.edits.map((edit) => ({ deletedRegion: region(edit.range), insertedContent: { text: edit.text } })) },
                      ],
                    },
                  ],
                }
              : {}),
          })),
        ),
      },
    ],
  };
}

function span(range: Diagnostic['range']): { readonly line: number; readonly column: number; readonly endLine: number; readonly endColumn: number } {
  return { line: range.start.line + 1, column: range.start.column + 1, endLine: range.end.line + 1, endColumn: range.end.column + 1 };
}

function region(range: Diagnostic['range']): object {
  const { line, column, endLine, endColumn } = span(range);
  return { startLine: line, startColumn: column, endLine, endColumn };
}

/** Relative to the current folder where the file is below it: code hosts show findings by the path in the repository. */
function pathFromHere(file: string): string {
  const fromHere = relative(process.cwd(), file);
  return fromHere.startsWith('..') || isAbsolute(fromHere) ? file : fromHere.replaceAll('\\', '/');
}

function uriOf(file: string): string {
  const path = pathFromHere(file);
  return isAbsolute(path) ? pathToFileURL(path).href : path.split('/').map(encodeURIComponent).join('/');
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
