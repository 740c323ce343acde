import { Argument, InvalidArgumentError, Option, type Command } from 'commander';
import { BenchmarkMonitor } from '../../bench/benchmarkMonitor';
import { describeEnvironment } from '../../bench/environment';
import { serverAt, type OtherEngine, type TransformersEngine, type TransformersVariant } from '../../bench/others/otherEngine';
import { compareReports, noteworthyChange, overallVerdict } from '../../bench/report/compareReports';
import { parseReport } from '../../bench/report/parseReport';
import { readReportFile } from '../../bench/report/readReportFile';
import type { BenchmarkReport } from '../../bench/report/schema';
import { toCsv, toJson, toMarkdown } from '../../bench/report/writers';
import { runScenario } from '../../bench/runScenario';
import { defaultSettings, settingsFor, type CasePlan, type Scenario } from '../../bench/scenarios/scenario';
import { scenarioByName, scenarioNames, scenariosWithLengths, type ScenarioName } from '../../bench/scenarios/scenarioByName';
import { weightFormats, type WeightFormat } from '../../common/dtype';
import { isGlmError } from '../../common/errors';
import type { LoadOptions } from '../../common/protocol/engine';
import type { DeviceDescription } from '../../common/protocol/monitor';
import { describeComparison } from '../bench/compareText';
import { addAction, UsageError, type CommandHost, type Invocation, type RegisterCommand } from '../command';
import { exitCode, type ExitCode } from '../exitCode';
import { addLoadOptions, resolveLoadOptions, type LoadFlags } from '../options/loadOptions';
import { collect, decimalNumber, wholeNumber } from '../options/optionValues';
import type { CliContext } from '../cliContext';
import { InputFileError, readInputText, whyUnreadable } from '../inputFile';
import { assertWritable, tryWriteFile } from '../outputFile';

interface RunFlags extends LoadFlags {
  readonly base?: string;
  readonly promptTokens?: number;
  readonly newTokens?: number;
  readonly repetitions?: number;
  readonly warmup?: number;
  readonly formats?: readonly WeightFormat[];
  readonly python?: string;
  readonly server?: readonly string[];
  readonly serverKey?: string;
  readonly variants?: readonly TransformersVariant[];
  readonly dtype?: TransformersEngine['dtype'];
  readonly compileLimit: number;
  readonly out?: string;
  readonly csv?: string;
}

/** `glm bench`: measures by rules that make a comparison fair; `glm bench compare`: what changed between two reports. */
export const registerBench: RegisterCommand = (program, host) => {
  const bench = program.command('bench').description('measure speed and memory by rules that make a comparison fair');
  registerRun(bench, host, program.version() ?? 'unknown');
  registerCompare(bench, host);
};

function registerRun(bench: Command, host: CommandHost, version: string): void {
  const run = addLoadOptions(bench.command('run', { isDefault: true }).description('run a scenario (the default)'))
    .addArgument(new Argument('[scenario]', 'what to measure').choices(scenarioNames).default('standard'))
    .option('--base <folder>', 'chat-vs-base: the second checkpoint')
    .option('--prompt-tokens <n>', 'this prompt length instead of the usual ones', wholeNumber(1))
    .option('--new-tokens <n>', 'tokens to generate after it', wholeNumber(2))
    .option('--repetitions <n>', `counted runs per case; unless set ${defaultSettings.repetitions}, and short ones go on for about 4 s, up to 40 times`, wholeNumber(1, 1000))
    .option('--warmup <n>', `runs before that are not counted; unless set ${defaultSettings.warmupRuns}, and they go on for 1 s`, wholeNumber(0, 100))
    .option('--formats <format>', 'precision: a weight format; repeatable', collect(weightFormat))
    .option('--python <path>', 'others: a Python with torch and transformers; measured when named, or when no server is')
    .option('--server <url>', 'others: an OpenAI-compatible server to measure, with #NAME behind it where it has several models; repeatable', collect(webAddress))
    .option('--server-key <key>', 'others: the key that the servers ask for')
    .option('--variants <name>', 'others: eager or compiled; repeatable', collect(transformersVariant))
    .addOption(new Option('--dtype <dtype>', 'others: weights in transformers; bf16 beside a GPU, f32 on the CPU').choices(['bf16', 'f16', 'f32']))
    .option('--compile-limit <seconds>', 'others: the most that compiling and warming up may take', wholeNumber(1, 3600), 180)
    .option('--out <file>', 'write the report with its raw samples as JSON')
    .option('--csv <file>', 'write the table as CSV');
  addAction<RunFlags>(run, host, (flags, invocation) => runBenchmark((run.args[0] as ScenarioName | undefined) ?? 'standard', flags, invocation, version));
}

async function runBenchmark(name: ScenarioName, flags: RunFlags, invocation: Invocation, version: string): Promise<ExitCode> {
  const { context, output, signal, log } = invocation;
  checkFlags(name, flags);
  const monitor = await BenchmarkMonitor.open(context.startMonitor(log), () => Date.now());
  const unmeasured: string[] = [];
  try {
    const { devices } = monitor;
    const scenario = scenarioOf(name, flags, await resolveLoadOptions(flags, invocation), devices);
    checkRoom(scenario, flags);
    const report = await runScenario(
      scenario,
      settingsFor(scenario, { warmupRuns: flags.warmup ?? defaultSettings.warmupRuns, repetitions: flags.repetitions ?? defaultSettings.repetitions }, flags.warmup !== undefined || flags.repetitions !== undefined),
      {
        startEngine: () => context.startEngine(log),
        environment: () => Promise.resolve(describeEnvironment(version, devices)),
        nowMs: () => Date.now(),
        telemetry: monitor.telemetry,
        signal,
        onEngine: (pid) => monitor.addProcess(pid),
        onUnmeasured: (label, reasons) => void unmeasured.push(...(reasons.length === 0 ? [`${label} was not measured: no case fits the context of the model.`] : reasons)),
        onProgress: ({ label, phase, doneRuns, totalRuns, remainingMs }) =>
          output.status(`${phase} ${label}: run ${doneRuns} of ${totalRuns}${remainingMs === undefined ? '' : `, about ${Math.ceil(remainingMs / 1000)} s left`}`),
      },
    );
    const unwritten = [
      ...(flags.out === undefined ? [] : [tryWriteFile(flags.out, [toJson(report)])]),
      ...(flags.csv === undefined ? [] : [tryWriteFile(flags.csv, [toCsv(report)])]),
    ].filter((failure) => failure !== undefined);
    // Whatever became of the files: measuring took long.
    output.result(report, toMarkdown(report));
    const failures = [...unmeasured, ...brokenOff(report), ...unwritten];
    failures.forEach((reason) => output.note(`error: ${reason}`));
    // What was asked for and is not in the table is no success, as with a row of a batch; the rest is kept.
    return signal.aborted ? exitCode.cancelled : failures.length > 0 ? exitCode.failed : exitCode.done;
  } finally {
    await monitor.close();
  }
}

/** Cases that an error ended, or that there is none at all. */
function brokenOff({ cases, notes }: BenchmarkReport): readonly string[] {
  if (cases.length === 0) {
    return ['Nothing was measured.', ...notes];
  }
  return cases.flatMap(({ name, endedBy }) => (endedBy === undefined || endedBy === 'cancelled' ? [] : [`${name} ended early: ${endedBy}`]));
}

/** Which scenarios an option has a meaning for: elsewhere it would be passed over without a word. */
const ownOptions: readonly { readonly flag: keyof RunFlags; readonly option: string; readonly scenarios: readonly ScenarioName[] }[] = [
  { flag: 'base', option: '--base', scenarios: ['chat-vs-base'] },
  { flag: 'formats', option: '--formats', scenarios: ['precision'] },
  { flag: 'promptTokens', option: '--prompt-tokens', scenarios: scenariosWithLengths },
  { flag: 'newTokens', option: '--new-tokens', scenarios: scenariosWithLengths },
  { flag: 'python', option: '--python', scenarios: ['others'] },
  { flag: 'server', option: '--server', scenarios: ['others'] },
  { flag: 'serverKey', option: '--server-key', scenarios: ['others'] },
  { flag: 'variants', option: '--variants', scenarios: ['others'] },
  { flag: 'dtype', option: '--dtype', scenarios: ['others'] },
];

/** Before a device is looked at or a model loaded. @throws {UsageError} */
function checkFlags(name: ScenarioName, flags: RunFlags): void {
  if (name === 'chat-vs-base' && flags.base === undefined) {
    throw new UsageError('chat-vs-base compares two checkpoints: name the second one with --base.');
  }
  const foreign = ownOptions.find(({ flag, scenarios }) => flags[flag] !== undefined && !scenarios.includes(name));
  if (foreign !== undefined) {
    throw new UsageError(`${foreign.option} has no meaning for the scenario ${name}; it belongs to ${foreign.scenarios.join(', ')}.`);
  }
  assertWritable('--out', flags.out);
  assertWritable('--csv', flags.csv);
}

/** Less than the cases take would not be what is measured. @throws {UsageError} */
function checkRoom({ loads }: Scenario, { context, maxBatch }: RunFlags): void {
  const needed = (of: 'contextTokens' | 'maxBatch'): number => Math.max(0, ...loads.map(({ load }) => load[of] ?? 0));
  for (const [option, given, least] of [['--context', context, needed('contextTokens')], ['--max-batch', maxBatch, needed('maxBatch')]] as const) {
    if (given !== undefined && given < least) {
      throw new UsageError(`${option} ${given} is less than the ${least} that the cases take. Leave it out, or ask for that much or more.`);
    }
  }
}

function scenarioOf(name: ScenarioName, flags: RunFlags, base: LoadOptions, devices: readonly DeviceDescription[]): Scenario {
  const { promptTokens, newTokens } = flags;
  const cases: readonly CasePlan[] | undefined =
    promptTokens === undefined && newTokens === undefined
      ? undefined
      : [{ name: `prompt ${promptTokens ?? 512}, ${newTokens ?? 128} new`, promptTokens: promptTokens ?? 512, newTokens: newTokens ?? 128, concurrency: 1 }];
  const usesGpu = base.provider !== 'cpu' && devices.some((device) => device.kind === 'cuda');
  const dtype = flags.dtype ?? (usesGpu ? 'bf16' : 'f32');
  return scenarioByName(name, name === 'others' && base.weights === 'auto' ? { ...base, weights: dtype } : base, devices, { secondSource: flags.base, formats: flags.formats, cases, others: othersOf(flags, base, dtype) });
}

/** transformers unless only servers were named. */
function othersOf(flags: RunFlags, base: LoadOptions, dtype: TransformersEngine['dtype']): readonly OtherEngine[] {
  const { server: servers = [], serverKey: apiKey, compileLimit } = flags;
  const transformers: TransformersEngine = {
    kind: 'transformers',
    python: flags.python ?? (process.platform === 'win32' ? 'python' : 'python3'),
    source: base.source,
    dtype,
    ...(base.provider === 'cpu' ? { device: 'cpu' } : {}),
    variants: flags.variants ?? ['eager', 'compiled'],
    warmupLimitMs: compileLimit * 1000,
    threads: base.cpuThreads,
  };
  return [...(flags.python !== undefined || servers.length === 0 ? [transformers] : []), ...servers.map((address) => serverAt(address, apiKey))];
}

function weightFormat(text: string): WeightFormat {
  const format = weightFormats.find((each) => each === text);
  if (format === undefined) {
    throw new InvalidArgumentError(`There are ${weightFormats.join(', ')}.`);
  }
  return format;
}

function webAddress(text: string): string {
  if (!/^https?:\/\/[^/\s]+/i.test(text) || !URL.canParse(text)) {
    throw new InvalidArgumentError('Expected an address such as http://127.0.0.1:8080.');
  }
  return text;
}

function transformersVariant(text: string): TransformersVariant {
  if (text !== 'eager' && text !== 'compiled') {
    throw new InvalidArgumentError('There are eager and compiled.');
  }
  return text;
}

function registerCompare(bench: Command, host: CommandHost): void {
  const compare = bench
    .command('compare')
    .description('what changed between two reports; exit code 0 when nothing got worse, 1 when a figure did, 3 when that could not be told')
    .argument('<before>', 'a report written with --out; - reads standard input')
    .argument('<after>', 'a later report')
    .option('--tolerance <percent>', 'how far a median may move and still count as the same', decimalNumber(0, 100), noteworthyChange * 100);
  addAction<{ readonly tolerance: number }>(compare, host, async ({ tolerance }, { context, output }) => {
    const [beforePath = '', afterPath = ''] = compare.args as readonly string[];
    const before = await readKnownReport(beforePath, context);
    const after = await readKnownReport(afterPath, context);
    const comparisons = compareReports(before, after, tolerance / 100);
    if (beforePath === '-' && afterPath === '-') {
      throw new UsageError('Standard input can be one of the two reports only.');
    }
    if (comparisons.every(({ broken }) => broken[0]?.rule === 'missing')) {
      throw new UsageError('The two reports have no case of the same name.');
    }
    const verdict = overallVerdict(comparisons);
    output.result(comparisons, `${describeComparison(comparisons)}\n\n${conclusions[verdict]}`);
    return exitCodes[verdict];
  });
}

const conclusions = {
  worse: 'A figure got worse.',
  undecided: 'No figure is known to have got worse, but not all could be judged: see above. More runs (--repetitions) on a machine that does nothing else decide it.',
  'not-worse': 'No figure got worse.',
} as const;

const exitCodes = { worse: exitCode.failed, undecided: exitCode.undecided, 'not-worse': exitCode.done } as const;

/** What is no report is wrong usage: 1 is kept for a figure that got worse. */
async function readKnownReport(path: string, context: CliContext): Promise<BenchmarkReport> {
  try {
    return await (path === '-' ? parseReport('Standard input', await readInputText(context, path)) : readReportFile(path));
  } catch (error) {
    throw new UsageError(isGlmError(error) ? error.message : new InputFileError(path, whyUnreadable(error)).message);
  }
}
