/**
 * What `glm profile` wrote on this machine, held against the device: `GLM_PROFILES` names the files (comma-separated), `GLM_BIG_CHECKPOINT` the checkpoint they are of.
 *
 * The profile is of one context; the forecast made from it is compared with what the driver counts once the same model is loaded with another one.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Profile } from '../../src/common/profile';
import { startMonitor } from '../../src/engine/client';
import type { MonitorClient } from '../../src/engine/client/startMonitor';
import { mostDeviation } from '../../src/profiling/collectSteps';
import { forecastMemory, type MemoryRequest } from '../../src/profiling/forecastMemory';
import { hints } from '../../src/profiling/hints';
import { operatorTable } from '../../src/profiling/operatorTable';
import { parseProfile } from '../../src/profiling/parseProfile';
import { phaseTable } from '../../src/profiling/phaseTable';
import { generate, loadOptions, openEngine, usedMebibytes } from './engineFixture';
import type { GpuCheck } from './harness';

const mebibyte = 1024 ** 2;
/** Of the forecast, and of memory readings. */
const mostForecastError = 0.03;
const mostMemoryError = 0.01;

const source = process.env.GLM_BIG_CHECKPOINT ?? '';
const files = (process.env.GLM_PROFILES ?? '').split(',').filter((file) => file !== '');
const read = (file: string): Profile => parseProfile(readFileSync(file, 'utf8'), basename(file));

export const profilerChecks: readonly GpuCheck[] = files.flatMap((file) => [
  { name: `profiler: kernels and phases of ${basename(file)}`, run: () => Promise.resolve(checkTimes(read(file))) },
  { name: `profiler: forecast from ${basename(file)}`, run: () => checkForecast(read(file)) },
]);

function checkTimes(profile: Profile): string {
  const decode = profile.operators.find(({ kind }) => kind === 'decode');
  const [generation] = profile.generations;
  if (decode === undefined || generation === undefined) {
    throw new Error('the profile has no decode steps or no generation');
  }
  const table = operatorTable(decode, profile.bandwidth);
  const { covered } = phaseTable(generation);
  const rows = table.byType.map(({ label, ms, bandwidthFraction }) => `${label} ${ms.toFixed(3)} ms${bandwidthFraction === undefined ? '' : ` (${Math.round(100 * bandwidthFraction)} %)`}`);
  const detail = [
    `${table.clock}, kernels ${table.nodesMs.toFixed(3)} of ${table.stepMs.toFixed(3)} ms (${((100 * table.nodesMs) / table.stepMs).toFixed(1)} %), phases ${(100 * covered).toFixed(2)} %`,
    rows.join(', '),
    ...hints(profile).map(({ text }) => text),
  ].join('\n      ');
  if (table.clock !== 'device time' || Math.abs(table.nodesMs / table.stepMs - 1) > mostDeviation || covered < 0.98) {
    throw new Error(detail);
  }
  return detail;
}

async function checkForecast({ forecast, model }: Profile): Promise<string> {
  if (forecast === undefined || model === undefined || source === '') {
    throw new Error('the profile has no forecast, or GLM_BIG_CHECKPOINT names no checkpoint');
  }
  const other: MemoryRequest = { contextTokens: forecast.maxContextTokens, batch: 4 };
  const asProfiled: MemoryRequest = { contextTokens: forecast.contextTokens, batch: forecast.maxBatch };
  const details: string[] = [];
  let worst = 0;
  for (const request of [asProfiled, other]) {
    const { devices } = forecastMemory(forecast, request);
    const predicted = devices.filter(({ device }) => device.startsWith('cuda:')).reduce((sum, { predictedBytes }) => sum + predictedBytes, 0) / mebibyte;
    const { loaded, generated, telemetry } = await measureMemory(model.weights, request);
    const error = Math.max(Math.abs(predicted / loaded - 1), Math.abs(predicted / generated - 1));
    worst = Math.max(worst, error);
    details.push(`${request.batch} × ${request.contextTokens} tokens: predicted ${predicted.toFixed(0)} MiB, the driver counts ${loaded} loaded and ${generated} after an answer (${(100 * error).toFixed(2)} % off); ${telemetry}`);
  }
  if (worst > mostForecastError) {
    throw new Error(details.join('\n      '));
  }
  return details.join('\n      ');
}

/** MiB that nvidia-smi counts more than before the engine was started, after loading and after an answer to a prompt of 4,096 tokens. */
async function measureMemory(weights: NonNullable<Profile['model']>['weights'], { contextTokens, batch }: MemoryRequest): Promise<{ readonly loaded: number; readonly generated: number; readonly telemetry: string }> {
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  const before = sum(usedMebibytes());
  const engine = openEngine();
  const monitor = startMonitor({ monitorPath: join(__dirname, 'monitor.js') });
  try {
    const cacheFolder = process.env.GLM_LOCAL_CACHE;
    await engine.request('model-load', loadOptions(source, { weights, contextTokens, maxBatch: batch, ...(cacheFolder === undefined ? {} : { cacheFolder }) }));
    const loaded = sum(usedMebibytes()) - before;
    const promptTokens = Math.min(4096, contextTokens - 64);
    await generate(engine, Array.from({ length: promptTokens }, (_, index) => 100 + ((index * 7919) % 3900)), 32);
    const generated = sum(usedMebibytes()) - before;
    // While it decodes, so that utilisation and power are of something.
    await monitor.request('telemetry-read', { ownPids: [] });
    const answer = generate(engine, [11, 12, 13], Math.min(384, contextTokens - 3));
    const telemetry = await compareTelemetry(monitor);
    await answer;
    return { loaded, generated, telemetry };
  } finally {
    await Promise.all([engine.end(), monitor.end()]);
  }
}

/** Our reading against nvidia-smi at the same moment. @throws when memory differs by more than 1 %. */
async function compareTelemetry(monitor: MonitorClient): Promise<string> {
  const { devices } = await monitor.request('telemetry-read', { ownPids: [] });
  const rows = execFileSync('nvidia-smi', ['--query-gpu=memory.used,utilization.gpu,power.draw', '--format=csv,noheader,nounits'], { encoding: 'utf8' }).trim().split('\n');
  const compared = rows.map((row, index) => {
    const [used = NaN, utilization = NaN, watts = NaN] = row.split(',').map(Number);
    const ours = devices.find(({ id }) => id === `cuda:${index}`);
    const usedMiB = (ours?.usedBytes ?? NaN) / mebibyte;
    const text = `cuda:${index} memory ${usedMiB.toFixed(0)} and ${used} MiB, utilisation ${ours?.utilizationPercent} and ${utilization} %, power ${ours?.powerWatts?.toFixed(0)} and ${watts.toFixed(0)} W`;
    if (!(Math.abs(usedMiB / used - 1) <= mostMemoryError)) {
      throw new Error(`telemetry and nvidia-smi differ: ${text}`);
    }
    return text;
  });
  return `telemetry and nvidia-smi: ${compared.join('; ')}`;
}
