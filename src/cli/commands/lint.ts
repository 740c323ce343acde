import { Option } from 'commander';
import packageJson from '../../../package.json';
import { createPythonParser } from '../../diagnostics/pythonParser';
import type { LintSettings } from '../../diagnostics/settings';
import { addAction, UsageError, type RegisterCommand } from '../command';
import { exitCode } from '../exitCode';
import { findSources } from '../lint/findSources';
import { lintFormats, summarize, toGithub, toJson, toSarif, toText, type LintFormat } from '../lint/formats';
import { checkRuleNames, ProjectConfigs } from '../lint/lintConfig';
import { lintBytes, lintFile, type FileReport } from '../lint/lintFile';
import { findParserFiles } from '../lint/parserFiles';

interface Flags {
  readonly format: LintFormat;
  readonly fix?: boolean;
  readonly unsafeFixes?: boolean;
  readonly select?: readonly string[];
  readonly ignore?: readonly string[];
  readonly json?: boolean;
  readonly forceExclude?: boolean;
  readonly stdinFilename: string;
}

/** `glm lint PATH…`: finds device and benchmark mistakes in Python files and notebooks. Exit code 1 when something is found. */
export const registerLint: RegisterCommand = (program, host) => {
  const command = program
    .command('lint')
    .description('find device and benchmark mistakes in Python files and notebooks')
    .argument('<path...>', 'files, folders or globs; - reads one file from stdin')
    .addOption(new Option('--format <format>', 'how findings are printed').choices(lintFormats).default('text'))
    .option('--fix', 'apply the fixes that keep the meaning of the program')
    .option('--unsafe-fixes', 'with --fix: apply the others as well')
    .option('--select <rules>', 'run these rules only: codes, names or prefixes, with commas', commaList)
    .option('--ignore <rules>', 'do not run these rules', commaList)
    .option('--force-exclude', 'leave out excluded files even when they are named one by one')
    .option('--stdin-filename <name>', 'what to call stdin in the findings; .ipynb makes it a notebook', 'stdin.py');
  addAction<Flags>(command, host, async (flags, { context, output, signal }) => {
    if (command.args.includes('-') && command.args.length > 1) {
      throw new UsageError('- cannot be combined with other paths.');
    }
    const select = flags.select && checkRuleNames('--select', flags.select);
    const ignore = flags.ignore && checkRuleNames('--ignore', flags.ignore);
    const configs = new ProjectConfigs();
    const settingsOf = async (file: string): Promise<LintSettings> => {
      const config = await configs.of(file);
      return { select: select ?? config.select, ignore: [...(config.ignore ?? []), ...(ignore ?? [])], severity: config.severity };
    };
    const fix = flags.fix ? (flags.unsafeFixes ? 'unsafe' : 'safe') : undefined;
    const format = flags.json ? 'json' : flags.format;
    const isStdin = command.args[0] === '-';
    const files = isStdin ? [] : await findSources(command.args, { leavesOut: (path) => configs.leavesOut(path), forceExclude: flags.forceExclude }, signal);
    const parser = await createPythonParser(findParserFiles(__dirname));
    const reports: FileReport[] = [];
    try {
      if (isStdin) {
        const bytes = await readAll(context.stdin);
        const { report, fixed } = lintBytes(parser, flags.stdinFilename, bytes, { settings: await settingsOf(flags.stdinFilename), fix });
        if (fix && report.problem !== undefined) {
          throw new UsageError(`${flags.stdinFilename} from stdin is not UTF-8 and cannot be fixed.`);
        }
        if (fix) {
          // Stdout is the file then, changed or not, and what is left of the findings goes to stderr.
          output.result(undefined, fixed ?? bytes.toString('utf8'));
          output.note(print(format, [report]).trimEnd());
          return report.diagnostics.length > 0 ? exitCode.failed : exitCode.done;
        }
        reports.push(report);
      }
      for (const file of files) {
        signal.throwIfAborted();
        const report = await lintFile(parser, file, { settings: await settingsOf(file), fix });
        if (report.problem !== undefined) {
          output.note(report.problem);
        }
        reports.push(report);
      }
    } finally {
      parser.delete();
    }
    const findings = toJson(reports);
    output.result(findings, print(format, reports));
    if (format === 'text') {
      output.note(summarize(reports));
    }
    // A file that could not be read or written was not checked: that is no success.
    return findings.length > 0 || reports.some((report) => report.isUnchecked) ? exitCode.failed : exitCode.done;
  });
};

async function readAll(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks);
}

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
