/**
 * `node dist/benchGpu.js --model DIR [--out FILE] [--only PART]`: the figures of docs/performance.md for one machine with NVIDIA GPUs.
 * Needs dist/ and koffi only. Prints a Markdown report and, with --out, writes the raw samples in the schema of docs/benchmarks.md.
 */

import { cpus, totalmem } from 'node:os';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { DeviceId } from '../../common/deviceId';
import type { LoadOptions } from '../../common/protocol/engine';
import { startEngine, startMonitor } from '../../engine/client';
import { toMarkdown } from '../report/writers';
import type { BenchmarkEnvironment, BenchmarkReport } from '../report/schema';
import { runScenario } from '../runScenario';
import { loadFor, type CasePlan, type Scenario } from '../scenarios/scenario';

const one = (name: string, promptTokens: number, newTokens: number, concurrency = 1): CasePlan => ({ name, promptTokens, newTokens, concurrency });

function scenarios(base: LoadOptions, devices: readonly DeviceId[]): readonly Scenario[] {
  const single: Partial<LoadOptions> = { deviceMap: { kind: 'single', device: devices[0] } };
  const both: Partial<LoadOptions> = { deviceMap: { kind: 'balanced' }, includeDevices: devices };
  const scenario = (name: string, changes: Partial<LoadOptions>, cases: readonly CasePlan[]): Scenario => ({ name, title: name, loads: [{ label: name, load: loadFor(base, cases, changes), cases }] });
  const lengths = [one('512 → 128', 512, 128), one('8192 → 128', 8192, 128)];
  return [
    scenario('bf16, one GPU', { ...single, weights: 'bf16' }, lengths),
    scenario('int4, one GPU', { ...single, weights: 'int4' }, lengths),
    scenario('int8, one GPU', { ...single, weights: 'int8' }, [one('512 → 128', 512, 128)]),
    scenario('bf16, one GPU, 16 at once', { ...single, weights: 'bf16' }, [one('512 → 128, 16 at once', 512, 128, 16)]),
    ...(devices.length < 2
      ? []
      : [
          scenario('bf16, two GPUs', { ...both, weights: 'bf16' }, lengths),
          scenario('bf16, one GPU, 32 requests', { ...single, weights: 'bf16' }, [one('2048 → 64, 32 requests', 2048, 64, 32)]),
          scenario('bf16, two GPUs, 32 requests', { ...both, weights: 'bf16' }, [one('2048 → 64, 32 requests', 2048, 64, 32)]),
        ]),
  ];
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { model: { type: 'string' }, out: { type: 'string' }, only: { type: 'string' }, repetitions: { type: 'string' }, cache: { type: 'string' } } });
  if (values.model === undefined) {
    throw new Error('Name a checkpoint: --model DIR. "glm make-checkpoint --shape 9b --out DIR" writes one with random weights.');
  }
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const monitor = startMonitor({ monitorPath: join(__dirname, 'monitor.js') });
  const described = await monitor.request('devices-probe', {});
  await monitor.end();
  const devices = described.filter((device) => device.kind === 'cuda').map((device) => device.id);
  const environment: BenchmarkEnvironment = {
    extensionVersion: 'development',
    nodeVersion: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    logicalCores: cpus().length,
    memoryBytes: totalmem(),
    devices: described,
  };
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
  const reports: BenchmarkReport[] = [];
  for (const scenario of scenarios(base, devices).filter(({ name }) => values.only === undefined || name.includes(values.only))) {
    const startedMs = performance.now();
    let loadedMs: number | undefined;
    try {
      const report = await runScenario(
        scenario,
        { warmupRuns: 1, repetitions: Number(values.repetitions ?? 5) },
        {
          startEngine: () => startEngine({ workerPath: join(__dirname, 'engineWorker.js') }),
          environment: () => Promise.resolve(environment),
          nowMs: () => Date.now(),
          onProgress: (progress) => {
            if (progress.phase === 'measuring') loadedMs ??= performance.now() - startedMs;
          },
        },
      );
      reports.push(report);
      print(`\n== ${scenario.name}: engine start to ready ${((loadedMs ?? NaN) / 1000).toFixed(2)} s, ${((performance.now() - startedMs) / 1000).toFixed(1)} s in all`);
      print(toMarkdown(report));
    } catch (error) {
      print(`\n== ${scenario.name}: FAILED: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (values.out !== undefined) {
    writeFileSync(values.out, JSON.stringify(reports, null, 1));
  }
}

void main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
