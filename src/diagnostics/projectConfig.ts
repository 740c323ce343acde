/** `[tool.glm]` of pyproject.toml, for the command line and the editor alike. */
import { minimatch } from 'minimatch';
import { parse, TomlError } from 'smol-toml';
import { GlmError } from '../common/errors';
import type { Severity } from './finding';
import { rules } from './rules/registry';
import type { LintSettings } from './settings';

/**
 * A pyproject.toml, or a rule's name, that cannot be meant.
 *
 * Cause: what somebody wrote. Handled by: `glm lint` ends as with a wrong option; the editor logs it and goes on without the file.
 */
export class LintConfigError extends GlmError {
  /** @param place where in a file it stands, 0-based; undefined for what was given on a command line. */
  constructor(
    message: string,
    readonly place?: { readonly path: string; readonly line: number; readonly column: number },
  ) {
    super('lint-config', message);
  }
}

export interface LintConfig extends LintSettings {
  /** Names or path endings that are not looked at. */
  readonly exclude: readonly string[];
  /** The file it came from, for messages. */
  readonly source?: string;
}

const severities: ReadonlySet<string> = new Set(['error', 'warning', 'information', 'hint', 'off']);

/**
 * The configuration of the first of these files with a `[tool.glm]` table; undefined when none has one.
 *
 * @param paths pyproject.toml of each folder, from the nearest upwards.
 * @param read gives undefined for a file that is not there.
 * @throws {LintConfigError} naming the file and the key that cannot be meant.
 */
export async function nearestLintConfig(paths: Iterable<string>, read: (path: string) => Promise<string | undefined>): Promise<LintConfig | undefined> {
  for (const path of paths) {
    const text = await read(path);
    const table = text === undefined ? undefined : toolTable(path, text);
    if (text !== undefined && table) {
      try {
        return checkConfig(path, table);
      } catch (error) {
        throw error instanceof LintConfigError ? new LintConfigError(error.message, { path, line: lineOfTable(text), column: 0 }) : error;
      }
    }
  }
  return undefined;
}

/** Whether one of the patterns means one of these spellings of a path. A pattern without a slash names a file or folder anywhere; one with a slash is a path, or the end of one. */
export function isExcluded(paths: readonly string[], exclude: readonly string[]): boolean {
  return exclude.some((given) => {
    const pattern = withSlashes(given).replace(/^\.\//, '').replace(/\/$/, '');
    const forms = pattern.includes('/') ? [pattern, `**/${pattern}`] : [`**/${pattern}`];
    return forms.some((form) => paths.some((path) => minimatch(withSlashes(path), form, { dot: true }) || minimatch(withSlashes(path), `${form}/**`, { dot: true })));
  });
}

/** A path as patterns spell it. */
export function withSlashes(path: string): string {
  return path.replaceAll('\\', '/');
}

/**
 * Checks that every code, name or prefix means at least one rule.
 *
 * @throws {LintConfigError} naming the one that means none.
 */
export function checkRuleNames(where: string, names: readonly string[]): readonly string[] {
  for (const name of names) {
    const isKnown = name.toUpperCase() === 'ALL' || rules.some((rule) => rule.code.startsWith(name.toUpperCase()) || rule.name === name);
    if (!isKnown) {
      throw new LintConfigError(`${where}: no rule is called "${name}". Rules: ${rules.map((rule) => rule.code).join(', ')}.`);
    }
  }
  return names;
}

function toolTable(path: string, text: string): Record<string, unknown> | undefined {
  let document: Record<string, unknown>;
  try {
    document = parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    const [line, column] = error instanceof TomlError ? [error.line - 1, error.column - 1] : [0, 0];
    throw new LintConfigError(`${path} is no valid TOML: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`, { path, line, column });
  }
  const tool = document['tool'];
  const glm = isTable(tool) ? tool['glm'] : undefined;
  return isTable(glm) ? glm : undefined;
}

/** The first line that names the table. */
function lineOfTable(text: string): number {
  return Math.max(0, text.split('\n').findIndex((line) => /^\s*\[\s*tool\s*(\.\s*glm\b|\])/.test(line)));
}

function checkConfig(path: string, table: Record<string, unknown>): LintConfig {
  const where = `${path} [tool.glm]`;
  const strings = (key: string): readonly string[] | undefined => {
    const value = table[key];
    if (value === undefined) {
      return undefined;
    }
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      throw new LintConfigError(`${where}: ${key} must be a list of strings.`);
    }
    return value;
  };
  for (const key of Object.keys(table)) {
    if (!['select', 'ignore', 'exclude', 'severity'].includes(key)) {
      throw new LintConfigError(`${where}: unknown key "${key}". Known keys: select, ignore, exclude, severity.`);
    }
  }
  const select = strings('select');
  const ignore = strings('ignore');
  return {
    select: select && checkRuleNames(`${where} select`, select),
    ignore: ignore && checkRuleNames(`${where} ignore`, ignore),
    exclude: strings('exclude') ?? [],
    severity: checkSeverities(where, table['severity']),
    source: path,
  };
}

function checkSeverities(where: string, value: unknown): Readonly<Record<string, Severity | 'off'>> | undefined {
  if (value === undefined) {
    return undefined;
  }
  if (!isTable(value)) {
    throw new LintConfigError(`${where}: severity must be a table of rule = "severity".`);
  }
  checkRuleNames(`${where} severity`, Object.keys(value));
  for (const [rule, severity] of Object.entries(value)) {
    if (typeof severity !== 'string' || !severities.has(severity)) {
      throw new LintConfigError(`${where}: severity of ${rule} must be one of ${[...severities].join(', ')}.`);
    }
  }
  return value as Record<string, Severity | 'off'>;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
