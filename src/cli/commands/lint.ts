import { Option } from 'commander';
import packageJson from '../../../package.json';
import { createPythonParser } from '../../diagnostics/pythonParser';
import { addAction, type RegisterCommand } from '../command';
import { exitCode } from '../exitCode';
import { findSources } from '../lint/findSources';
import { lintFormats, summarize, toGithub, toJson, toSarif, toText, type LintFormat } from '../lint/formats';
import { checkRuleNames, readLintConfig } from '../lint/lintConfig';
import { lintFile, type FileReport } from '../lint/lintFile';
import { findParserFiles } from '../lint/parserFiles';

interface Flags {
  readonly format: LintFormat;
  readonly fix?: boolean;
  readonly unsafeFixes?: boolean;
  readonly select?: readonly string[];
  readonly ignore?: readonly string[];
  readonly json?: boolean;
}

/** `glm lint PATH…`: finds device and benchmark mistakes in Python files and notebooks. Exit code 1 when something is found. */
export const registerLint: RegisterCommand = (program, host) => {
  const command = program
    .command('lint')
    .description('find device and benchmark mistakes in Python files and notebooks')
    .argument('<path...>', 'files or folders')
    .addOption(new Option('--format <format>', 'how findings are printed').choices(lintFormats).default('text'))
    .option('--fix', 'apply the fixes that keep the meaning of the program')
    .option('--unsafe-fixes', 'with --fix: apply the others as well')
    .option('--select <rules>', 'run these rules only: codes, names or prefixes, with commas', commaList)
    .option('--ignore <rules>', 'do not run these rules', commaList);
  addAction<Flags>(command, host, async (flags, { output, signal }) => {
    const select = flags.select && checkRuleNames('--select', flags.select);
    const ignore = flags.ignore && checkRuleNames('--ignore', flags.ignore);
    const config = await readLintConfig(process.cwd());
    const settings = { select: select ?? config.select, ignore: [...(config.ignore ?? []), ...(ignore ?? [])], severity: config.severity };
    const files = await findSources(command.args, config.exclude, signal);
    const parser = await createPythonParser(findParserFiles(__dirname));
    const reports: FileReport[] = [];
    try {
      for (const file of files) {
        signal.throwIfAborted();
        const report = await lintFile(parser, file, { settings, fix: flags.fix ? (flags.unsafeFixes ? 'unsafe' : 'safe') : undefined });
        if (report.problem !== undefined) {
          output.note(report.problem);
        }
        reports.push(report);
      }
    } finally {
      parser.delete();
    }
    const format = flags.json ? 'json' : flags.format;
    const findings = toJson(reports);
    output.result(findings, print(format, reports));
    if (format === 'text') {
      output.note(summarize(reports));
    }
    return findings.length > 0 ? exitCode.failed : exitCode.done;
  });
};

function print(format: LintFormat, reports: readonly FileReport[]): string {
  switch (format) {
    case 'text':
      return toText(reports);
    case 'json':
      return `${JSON.stringify(toJson(reports), undefined, 2)}\n`;
    case 'sarif':
      return `${JSON.stringify(toSarif(reports, packageJson.version), undefined, 2)}\n`;
    case 'github':
      return toGithub(reports);
  }
  format satisfies never;
}

function commaList(value: string): readonly string[] {
  return value.split(',').map((part) => part.trim()).filter(Boolean);
}
