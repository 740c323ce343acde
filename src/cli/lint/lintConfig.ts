/** The configuration of `glm lint`: for each file the nearest pyproject.toml with a `[tool.glm]` table, upwards from its own folder, as the editor takes it. */
import { readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import { LintConfigError, isExcluded, nearestLintConfig, checkRuleNames as checkNames, type LintConfig } from '../../diagnostics/projectConfig';
import { UsageError } from '../command';

export class ProjectConfigs {
  /** By folder. */
  private readonly known = new Map<string, Promise<LintConfig>>();

  /**
   * Defaults when no folder from there upwards has any.
   *
   * @throws {UsageError} naming the file and the key that cannot be meant.
   */
  of(file: string): Promise<LintConfig> {
    return this.in(dirname(resolve(file)));
  }

  /** Whether its project leaves a file or folder out. Patterns are seen from the folder of the pyproject.toml; absolute ones mean what they say. */
  async leavesOut(path: string): Promise<boolean> {
    const { exclude, source } = await this.of(path);
    const absolute = resolve(path);
    return source !== undefined && (isExcluded([relative(dirname(source), absolute)], exclude) || isExcluded([absolute], exclude.filter(isAbsolute)));
  }

  private in(folder: string): Promise<LintConfig> {
    const known = this.known.get(folder) ?? this.read(folder);
    this.known.set(folder, known);
    return known;
  }

  private async read(folder: string): Promise<LintConfig> {
    try {
      const own = await nearestLintConfig([join(folder, 'pyproject.toml')], (path) => readFile(path, 'utf8').catch(() => undefined));
      const parent = dirname(folder);
      return own ?? (parent === folder ? { exclude: [] } : await this.in(parent));
    } catch (error) {
      throw asUsage(error);
    }
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

function asUsage(error: unknown): unknown {
  return error instanceof LintConfigError ? new UsageError(error.message) : error;
}
