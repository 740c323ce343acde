/**
 * `node dist/benchGpu.js --model DIR [--out-dir DIR] [--part NAME]…`: the reports of docs/performance.md for one machine with NVIDIA GPUs.
 * Needs dist/, koffi and the runtime's libraries only; `--part others` also the machine's own Python with torch and transformers.
 * `--part prefill-overlap`, `--part requests-32` and `--part requests-16` print tables of what two GPUs and several requests at a time bring. `--only` is another word for `--part`.
 * Prints each report as Markdown and writes it as JSON, one file per part.
 */

import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { LoadOptions } from '../../common/protocol/engine';
import { startEngine, startMonitor } from '../../engine/client';
import { describeEnvironment } from '../environment';
import { toJson, toMarkdown } from '../report/writers';
import { runScenario } from '../runScenario';
import { settingsFor } from '../scenarios/scenario';
import { lookAround, TelemetryRecorder } from '../telemetryRecorder';
import { chooseParts, gpuParts, type GpuPart } from './gpuParts';
import { measureThroughput, throughputPlans, throughputTable } from './throughput';

/** Short enough for a case of a few seconds. */
const telemetryMs = 200;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      'out-dir': { type: 'string' },
      part: { type: 'string', multiple: true },
      only: { type: 'string', multiple: true },
      repetitions: { type: 'string' },
      cache: { type: 'string' },
      python: { type: 'string' },
      'compile-limit': { type: 'string' },
    },
  });
  if (values.model === undefined) {
    throw new Error('Name a checkpoint: --model DIR. "glm make-checkpoint --shape 9b --out DIR" writes one with random weights.');
  }
  const outFolder = values['out-dir'];
  const monitor = startMonitor({ monitorPath: join(__dirname, 'monitor.js') });
  let recorder = new TelemetryRecorder(() => Date.now());
  monitor.on('telemetry-sample', (sample) => recorder.add(sample));
  const described = await monitor.request('devices-probe', {});
  const ownPids: number[] = [];
  const watch = (): Promise<unknown> => monitor.request('telemetry-watch', { intervalMs: telemetryMs, ownPids });
  await watch();
  const base: LoadOptions = {
    source: values.model,
    provider: 'cuda',
    weights: 'bf16',
    kvCache: 'auto',
    maxBatch: 1,
    deviceMap: { kind: 'auto' },
    allowSoftwareGpu: false,
    cacheFolder: values.cache ?? mkdtempSync(join(tmpdir(), 'glm-bench-')),
    alignment: 'autoFix',
  };
  const devices = described.filter((device) => device.kind === 'cuda').map((device) => device.id);
  const parts = gpuParts({
    base,
    devices,
    python: values.python ?? 'python3',
    compileLimitMs: Number(values['compile-limit'] ?? 180) * 1000,
  });
  const settings = { warmupRuns: 1, repetitions: Number(values.repetitions ?? 5) };
  const measure = async ({ name, scenario }: GpuPart): Promise<void> => {
    // What the part before did is none of this one's surroundings.
    recorder = new TelemetryRecorder(() => Date.now());
    recorder.add(await lookAround(() => monitor.request('telemetry-read', { ownPids })));
    const startedMs = performance.now();
    let readyMs: number | undefined;
    try {
      const report = await runScenario(scenario, settingsFor(scenario, settings), {
        startEngine: () => startEngine({ workerPath: join(__dirname, 'engineWorker.js') }),
        environment: () => Promise.resolve(describeEnvironment('development', described)),
        nowMs: () => Date.now(),
        telemetry: recorder,
        onEngine: (pid) => {
          ownPids.push(pid);
          void watch();
        },
        onProgress: (progress) => {
          if (progress.phase === 'measuring') readyMs ??= performance.now() - startedMs;
        },
      });
      print(`\n== ${name}: engine start to ready ${seconds(readyMs)}, ${seconds(performance.now() - startedMs)} in all\n${toMarkdown(report)}`);
      if (outFolder !== undefined) {
        mkdirSync(outFolder, { recursive: true });
        writeFileSync(join(outFolder, `${name}.json`), toJson(report));
      }
    } catch (error) {
      process.exitCode = 1;
      print(`\n== ${name}: FAILED after ${seconds(performance.now() - startedMs)}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const wanted = [...(values.part ?? []), ...(values.only ?? [])];
  for (const part of chooseParts(parts, wanted)) {
    await measure(part);
  }
  for (const { name, loads, cases } of throughputPlans(base, devices, wanted)) {
    const figures = [];
    for (const [label, load] of loads) {
      figures.push(...(await measureThroughput(() => startEngine({ workerPath: join(__dirname, 'engineWorker.js') }), label, load, cases, settings.repetitions)));
    }
    print(`\n== ${name}\n${throughputTable(figures)}`);
    if (outFolder !== undefined) {
      mkdirSync(outFolder, { recursive: true });
      writeFileSync(join(outFolder, `${name}.json`), JSON.stringify(figures, null, 1));
    }
  }
  await monitor.end();
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function seconds(ms: number | undefined): string {
  return ms === undefined ? 'n/a' : `${(ms / 1000).toFixed(1)} s`;
}

void main().then(
  () => process.exit(),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
