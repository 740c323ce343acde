/** `[tool.glm]` of pyproject.toml. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { rules } from '../../diagnostics/rules/registry';
import type { LintSettings } from '../../diagnostics/settings';
import type { Severity } from '../../diagnostics/finding';
import { UsageError } from '../command';

export interface LintConfig extends LintSettings {
  /** Names or path endings that are not looked at. */
  readonly exclude: readonly string[];
  /** The file it came from, for messages. */
  readonly source?: string;
}

const severities: ReadonlySet<string> = new Set(['error', 'warning', 'information', 'hint', 'off']);

/**
 * The configuration nearest to `folder`, looking upwards; defaults when there is none.
 *
 * @throws {UsageError} naming the file and the key that cannot be meant.
 */
export async function readLintConfig(folder: string): Promise<LintConfig> {
  for (let current = resolve(folder); ; current = dirname(current)) {
    const path = join(current, 'pyproject.toml');
    const text = await readFile(path, 'utf8').catch(() => undefined);
    const table = text === undefined ? undefined : toolTable(path, text);
    if (table) {
      return checkConfig(path, table);
    }
    if (dirname(current) === current) {
      return { exclude: [] };
    }
  }
}

/** Checks that every code, name or prefix means at least one rule. */
export function checkRuleNames(where: string, names: readonly string[]): readonly string[] {
  for (const name of names) {
    const isKnown = name.toUpperCase() === 'ALL' || rules.some((rule) => rule.code.startsWith(name.toUpperCase()) || rule.name === name);
    if (!isKnown) {
      throw new UsageError(`${where}: no rule is called "${name}". Rules: ${rules.map((rule) => rule.code).join(', ')}.`);
    }
  }
  return names;
}

function toolTable(path: string, text: string): Record<string, unknown> | undefined {
  let document: Record<string, unknown>;
  try {
    document = parse(text);
  } catch (error) {
    throw new UsageError(`${path} is no valid TOML: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`);
  }
  const tool = document['tool'];
  const glm = isTable(tool) ? tool['glm'] : undefined;
  return isTable(glm) ? glm : undefined;
}

function checkConfig(path: string, table: Record<string, unknown>): LintConfig {
  const where = `${path} [tool.glm]`;
  const strings = (key: string): readonly string[] | undefined => {
    const value = table[key];
    if (value === undefined) {
      return undefined;
    }
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
      throw new UsageError(`${where}: ${key} must be a list of strings.`);
    }
    return value;
  };
  for (const key of Object.keys(table)) {
    if (!['select', 'ignore', 'exclude', 'severity'].includes(key)) {
      throw new UsageError(`${where}: unknown key "${key}". Known keys: select, ignore, exclude, severity.`);
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
    throw new UsageError(`${where}: severity must be a table of rule = "severity".`);
  }
  checkRuleNames(`${where} severity`, Object.keys(value));
  for (const [rule, severity] of Object.entries(value)) {
    if (typeof severity !== 'string' || !severities.has(severity)) {
      throw new UsageError(`${where}: severity of ${rule} must be one of ${[...severities].join(', ')}.`);
    }
  }
  return value as Record<string, Severity | 'off'>;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
