/** The configuration of `glm lint`: the nearest pyproject.toml, seen from the working folder. */
import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LintConfigError, nearestLintConfig, checkRuleNames as checkNames, type LintConfig } from '../../diagnostics/projectConfig';
import { UsageError } from '../command';

/**
 * The configuration nearest to `folder`, looking upwards; defaults when there is none.
 *
 * @throws {UsageError} naming the file and the key that cannot be meant.
 */
export async function readLintConfig(folder: string): Promise<LintConfig> {
  try {
    return (await nearestLintConfig(pathsUpwards(folder), (path) => readFile(path, 'utf8').catch(() => undefined))) ?? { exclude: [] };
  } catch (error) {
    throw asUsage(error);
  }
}

/** Checks that every code, name or prefix given to an option means at least one rule. */
export function checkRuleNames(option: string, names: readonly string[]): readonly string[] {
  try {
    return checkNames(option, names);
  } catch (error) {
    throw asUsage(error);
  }
}

function* pathsUpwards(folder: string): Iterable<string> {
  for (let current = resolve(folder); ; current = dirname(current)) {
    yield join(current, 'pyproject.toml');
    if (dirname(current) === current) {
      return;
    }
  }
}

function asUsage(error: unknown): unknown {
  return error instanceof LintConfigError ? new UsageError(error.message) : error;
}
