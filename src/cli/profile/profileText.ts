/** A profile as text for a terminal. */

import { shareOfCopyText } from '../../common/bandwidthText';
import { formatBytes } from '../../common/byteFormat';
import type { PlacedPart, Profile } from '../../common/profile';
import type { OperatorRow } from '../../common/profileSummary';
import { forecastMemory, type DeviceForecast } from '../../profiling/forecastMemory';
import { hints } from '../../profiling/hints';
import { operatorTable } from '../../profiling/operatorTable';
import { phaseTable } from '../../profiling/phaseTable';
import { formatTable } from '../textTable';

const mostOperators = 8;

export function describeProfile(profile: Profile): string {
  const suggestions = hints(profile);
  const sections = [
    heading(profile),
    ...profile.generations.slice(-1).map((generation) => describePhases(generation, usesGpu(profile))),
    ...profile.operators.map((operators) => describeOperators(operators, profile)),
    describePlacement(profile),
    describeForecast(profile),
    suggestions.length === 0 ? undefined : ['Hints', ...suggestions.map(({ text }) => `- ${text}`)].join('\n'),
    describeCost(profile),
  ];
  return sections.filter((section) => section !== undefined).join('\n\n');
}

function heading({ model, environment, telemetry }: Profile): string {
  const name = model === undefined ? 'No model' : `${model.description.name}: ${model.weights} weights, ${model.kvCache} keys and values, context ${count(model.contextTokens)}, ${model.maxBatch === 1 ? 'one sequence' : `${model.maxBatch} sequences`}, ONNX Runtime ${model.runtimeVersion}`;
  const where = Object.entries(environment).map(([key, value]) => `${key}: ${value}`);
  return [name, where.join(' · '), `${telemetry.length} telemetry samples`].join('\n');
}

function usesGpu({ model }: Profile): boolean {
  return model?.stages.some(({ provider }) => provider !== 'cpu') ?? true;
}

function describePhases(generation: Profile['generations'][number], isQueued: boolean): string {
  const { rows, covered } = phaseTable(generation);
  const { promptTokens, reusedTokens, generatedTokens, totalMs, clock = 'host' } = generation;
  const reused = reusedTokens > 0 ? `, ${count(reusedTokens)} of them reused` : '';
  return [
    `Phases of one request: ${count(promptTokens)} prompt tokens${reused}, ${count(generatedTokens)} generated, ${ms(totalMs)} in all`,
    formatTable(
      ['phase', 'times', 'total', 'share', 'mean', 'longest'],
      rows.map((row) => [row.kind === 'copy' ? 'copy (in steps)' : row.kind, String(row.count), ms(row.totalMs), percent(row.share), ms(row.meanMs), ms(row.longestMs)]),
    ),
    `The phases cover ${(100 * covered).toFixed(1)} % of the request. Timed by the ${clock}${clock === 'host' && isQueued ? '; work on a GPU is queued, so a step is the wait for it' : ''}.`,
  ].join('\n');
}

function describeOperators(operators: Profile['operators'][number], { bandwidth }: Profile): string {
  const table = operatorTable(operators, bandwidth);
  const step = operators.kind === 'decode' ? `one token at ${count(table.contextTokens)} positions` : `${count(table.tokens)} tokens`;
  const row = (each: OperatorRow): readonly string[] => [each.label, String(each.numNodes), ms(each.ms), percent(each.share), rate(each.bytesPerSecond, each.bandwidthFraction), perSecond(each.flopsPerSecond)];
  const rest = table.byType.slice(mostOperators);
  return [
    `Operators of a ${operators.kind} step (${step}, ${table.numSteps} ${table.numSteps === 1 ? 'step' : 'steps'}): ${table.clock}, plain step ${ms(table.stepMs)}`,
    formatTable(['operator', 'nodes', 'per step', 'share', 'bytes/s (of measured)', 'FLOP/s'], table.byType.slice(0, mostOperators).map(row)),
    ...(rest.length === 0 ? [] : [`and ${rest.length} more with ${ms(rest.reduce((sum, each) => sum + each.ms, 0))} together`]),
    table.note,
    `Longest nodes: ${table.byNode.slice(0, 3).map((node) => `${node.label} ${ms(node.ms)}`).join(', ')}.`,
  ].join('\n');
}

function describePlacement({ placement }: Profile): string | undefined {
  if (placement === undefined || placement.parts.length === 0) {
    return undefined;
  }
  const groups = groupParts(placement.parts);
  const sum = (parts: readonly PlacedPart[], of: 'weightBytes' | 'kvBytesPerPosition'): number => parts.reduce((all, part) => all + part[of], 0);
  const time = (parts: readonly PlacedPart[], of: 'decodeMs' | 'prefillMs'): string => (parts.every((part) => part[of] === undefined) ? 'n/a' : ms(parts.reduce((all, part) => all + (part[of] ?? 0), 0)));
  const copies = placement.copies.map((copy) => `stage ${copy.fromStage} to ${copy.toStage}: ${formatBytes(copy.bytesPerToken)} per token, ${copy.route === 'same-device' ? 'stays on' : `${copy.from} to`} ${copy.to}${copy.route === 'host' ? ' through the host' : copy.route === 'peer' ? ' directly' : ''}`);
  return [
    'Placement',
    formatTable(
      ['part', 'device', 'weights', 'KV per 1,000 positions', 'decode', 'prefill'],
      groups.map((parts) => [groupLabel(parts), parts[0]?.device ?? '', formatBytes(sum(parts, 'weightBytes')), formatBytes(1000 * sum(parts, 'kvBytesPerPosition')), time(parts, 'decodeMs'), time(parts, 'prefillMs')]),
    ),
    ...copies,
  ].join('\n');
}

/** Layers of a stage in one line. */
function groupParts(parts: readonly PlacedPart[]): readonly (readonly PlacedPart[])[] {
  const groups: PlacedPart[][] = [];
  for (const part of parts) {
    const last = groups[groups.length - 1];
    if (part.part === 'layer' && last?.[0]?.part === 'layer' && last[0].stageIndex === part.stageIndex) {
      last.push(part);
    } else {
      groups.push([part]);
    }
  }
  return groups;
}

function groupLabel(parts: readonly PlacedPart[]): string {
  const [first, last] = [parts[0], parts[parts.length - 1]];
  return first?.part !== 'layer' ? (first?.part ?? '') : first === last ? `layer ${first.layer}` : `layers ${first.layer} to ${last?.layer}`;
}

function describeForecast({ forecast }: Profile): string | undefined {
  if (forecast === undefined) {
    return undefined;
  }
  const asLoaded = forecastMemory(forecast, { contextTokens: forecast.contextTokens, batch: forecast.maxBatch });
  const twice = forecastMemory(forecast, { contextTokens: forecast.contextTokens, batch: 2 * forecast.maxBatch });
  const row = (label: string, device: DeviceForecast): readonly string[] => [
    label,
    device.device,
    formatBytes(device.weightBytes),
    formatBytes(device.kvBytes),
    formatBytes(device.activationBytes),
    formatBytes(device.fixedBytes),
    formatBytes(device.predictedBytes),
    formatBytes(device.availableBytes),
    device.fits === undefined ? 'n/a' : device.fits ? 'fits' : 'does not fit',
  ];
  const sequences = (batch: number): string => (batch === 1 ? '1 sequence' : `${batch} sequences`);
  return [
    'Memory forecast',
    formatTable(
      ['', 'device', 'weights', 'keys, values', 'per sequence', 'fixed', 'in all', 'available', ''],
      [asLoaded, twice].flatMap((each) => each.devices.map((device) => row(`${sequences(each.batch)} of ${count(each.contextTokens)}`, device))),
    ),
    ...(asLoaded.largestContextTokens === undefined ? [] : [`Largest context for ${sequences(forecast.maxBatch)}: ${count(asLoaded.largestContextTokens)}${asLoaded.largestContextTokens === forecast.maxContextTokens ? ", the model's own limit" : ''}.`]),
    ...(asLoaded.largestBatch === undefined ? [] : [`Most sequences of ${count(forecast.contextTokens)} tokens: ${count(asLoaded.largestBatch)}.`]),
  ].join('\n');
}

function describeCost({ cost }: Profile): string | undefined {
  const { plainTpotMs, profiledTpotMs, plainSpreadPercent, telemetryCorePercent } = cost ?? {};
  const noise = plainSpreadPercent === undefined ? '' : `; those without differ by ${plainSpreadPercent.toFixed(1)} % among themselves`;
  const requests = plainTpotMs === undefined || profiledTpotMs === undefined ? [] : [`TPOT ${ms(plainTpotMs)} without, ${ms(profiledTpotMs)} with phases (${signedPercent(profiledTpotMs / plainTpotMs - 1)}${noise})`];
  const telemetry = telemetryCorePercent === undefined ? [] : [`telemetry at 1 Hz ${telemetryCorePercent.toFixed(2)} % of one core`];
  return requests.length + telemetry.length === 0 ? undefined : `Cost of profiling: ${[...requests, ...telemetry].join('; ')}.`;
}

function ms(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : value >= 100 ? `${value.toFixed(0)} ms` : value >= 1 ? `${value.toFixed(2)} ms` : `${(value * 1000).toFixed(value >= 0.01 ? 0 : 1)} µs`;
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

function signedPercent(fraction: number): string {
  return `${fraction >= 0 ? '+' : '−'}${Math.abs(100 * fraction).toFixed(1)} %`;
}

function rate(bytesPerSecond: number | undefined, fraction: number | undefined): string {
  return bytesPerSecond === undefined ? 'n/a' : `${(bytesPerSecond / 1e9).toFixed(2)} GB/s${fraction === undefined ? '' : ` (${shareOfCopyText(fraction)})`}`;
}

function perSecond(flopsPerSecond: number | undefined): string {
  return flopsPerSecond === undefined ? 'n/a' : flopsPerSecond >= 1e12 ? `${(flopsPerSecond / 1e12).toFixed(1)} T` : `${(flopsPerSecond / 1e9).toFixed(1)} G`;
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}
