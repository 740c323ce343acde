/** What a profile suggests, in plain words and with its own figures. Says nothing where nothing is warranted. */

import { cacheFraction } from '../common/bandwidthText';
import { formatBytes } from '../common/byteFormat';
import { cpuDevice } from '../common/deviceId';
import type { OperatorProfile, Profile, ProfiledNode } from '../common/profile';
import type { Hint, OperatorTable } from '../common/profileSummary';
import { forecastMemory } from './forecastMemory';
import { operatorTable } from './operatorTable';
import { phaseTable } from './phaseTable';

/** int4 as this program holds it: 4 bits and a 2-byte scale for each block of 32. */
const int4BytesPerWeight = 0.5 + 2 / 32;

/** From this share of the bandwidth on, a step is limited by it; our best kernels reach about nine tenths. */
const boundFraction = 0.5;

/** Less is not worth a reload. */
const worthFreeingBytes = 64 * 1024 ** 2;

/** @param tables  The operators' tables, in their order, where they are at hand. */
export function hints(profile: Profile, tables: readonly OperatorTable[] = []): readonly Hint[] {
  const at = profile.operators.findIndex(({ kind }) => kind === 'decode');
  const decode = profile.operators[at];
  const table = decode === undefined ? undefined : (tables[at] ?? operatorTable(decode, profile.bandwidth));
  return [
    ...(decode === undefined || table === undefined ? [] : [memoryBound(profile, decode, table), deviceWaits(decode, table), headShare(table)]),
    layersOnCpu(profile),
    ...phaseHints(profile),
    unusedContext(profile),
  ].filter((hint) => hint !== undefined);
}

function memoryBound({ bandwidth, model }: Profile, decode: OperatorProfile, table: OperatorTable): Hint | undefined {
  const rates = new Map(bandwidth.map(({ device, bytesPerSecond }) => [device, bytesPerSecond]));
  if (decode.nodes.some(({ device }) => !rates.has(device))) {
    return undefined;
  }
  const limitOf = (nodes: readonly ProfiledNode[]): number => nodes.reduce((sum, { bytes: own = 0, device }) => sum + (1000 * own) / (rates.get(device) ?? Infinity), 0);
  const bytes = decode.nodes.reduce((sum, node) => sum + (node.bytes ?? 0), 0);
  const limitMs = limitOf(decode.nodes);
  const fraction = limitMs / table.stepMs;
  // Where products have times of their own, these have to bear it out: a step can also be long because the machine did something else.
  const products = table.byNode.filter(({ node, bytesPerSecond }) => isProduct(node.opType) && bytesPerSecond !== undefined);
  const productFraction = products.length === 0 ? fraction : limitOf(products.map(({ node }) => node)) / products.reduce((sum, { ms }) => sum + ms, 0);
  if (!isBound(fraction) || !isBound(productFraction)) {
    return undefined;
  }
  // Multiply-adds per token are the weights of a product, counted twice.
  const weights = decode.nodes.reduce((sum, { opType, flops = 0 }) => sum + (isProduct(opType) ? flops / 2 / decode.tokens : 0), 0);
  const productBytes = decode.nodes.reduce((sum, { opType, bytes: own = 0 }) => sum + (isProduct(opType) ? own : 0), 0);
  const ratio = bytes / (bytes - productBytes + Math.min(productBytes, weights * int4BytesPerWeight));
  const advice = model?.weights !== 'int4' && weights > 0 && ratio > 1.2 ? `int4 would read ${ratio.toFixed(1)} × fewer bytes` : 'several sequences at once would share one reading of the weights';
  return {
    code: 'memory-bound',
    text: `Batch 1 decode is bound by memory: a step reads and writes ${formatBytes(bytes)}, which takes ${formatMs(limitMs)} at the bandwidth measured, ${percent(fraction)} of the ${formatMs(table.stepMs)} that it takes; ${advice}.`,
  };
}

function deviceWaits(decode: OperatorProfile, table: OperatorTable): Hint | undefined {
  const deviceMs = decode.clock === 'device' ? table.nodesMs : decode.deviceNodesMs;
  return deviceMs !== undefined && deviceMs < 0.8 * table.stepMs
    ? { code: 'device-waits', text: `The device computes for ${formatMs(deviceMs)} of a step's ${formatMs(table.stepMs)} and waits for the rest: the step is limited by starting work, so fewer bytes or a faster device would change little, several sequences at once would.` }
    : undefined;
}

function headShare({ byLayer, numSteps }: OperatorTable): Hint | undefined {
  const head = byLayer.find(({ label }) => label === 'head');
  return head !== undefined && numSteps > 0 && head.share > 0.3
    ? { code: 'head', text: `The output layer takes ${percent(head.share)} of a step's node time: the vocabulary is large for a model of this size, so fewer layers or bits in the layers would change less than expected.` }
    : undefined;
}

function layersOnCpu({ placement }: Profile): Hint | undefined {
  const layers = placement?.parts.filter(({ part }) => part === 'layer') ?? [];
  const onCpu = layers.filter(({ device }) => device === cpuDevice);
  if (onCpu.length === 0 || onCpu.length === layers.length) {
    return undefined;
  }
  const sumOf = (parts: typeof layers): number | undefined => (parts.every(({ decodeMs }) => decodeMs !== undefined) ? parts.reduce((sum, { decodeMs = 0 }) => sum + decodeMs, 0) : undefined);
  const [cpuMs, allMs] = [sumOf(onCpu), sumOf(layers)];
  const cost = cpuMs === undefined || allMs === undefined || allMs === 0 ? '' : `, which take ${percent(cpuMs / allMs)} of the layers' time per token`;
  return { code: 'layers-on-cpu', text: `${onCpu.length} of ${layers.length} layers run on the CPU beside a GPU${cost}: a shorter context, fewer bits for the weights or another GPU would bring them back.` };
}

function phaseHints({ generations }: Profile): readonly (Hint | undefined)[] {
  const last = generations[generations.length - 1];
  if (last === undefined || last.totalMs <= 0) {
    return [];
  }
  const { rows } = phaseTable(last);
  const of = (...kinds: readonly string[]): number => rows.reduce((sum, row) => sum + (kinds.includes(row.kind) ? row.totalMs : 0), 0);
  const shareOf = (ms: number): number => ms / last.totalMs;
  const copyShare = of('decode', 'prefill') > 0 ? of('copy') / of('decode', 'prefill') : 0;
  const newTokens = last.promptTokens - last.reusedTokens;
  return [
    copyShare > 0.05 ? { code: 'copies', text: `Copies between devices take ${percent(copyShare)} of the steps: fewer stages, or devices that reach each other directly, would save it.` } : undefined,
    shareOf(of('queue')) > 0.2 ? { code: 'queue', text: `The last request waited ${formatMs(of('queue'))} of ${formatMs(last.totalMs)} for others: room for more sequences at once (maximum batch) would let them run together.` } : undefined,
    shareOf(of('sample', 'detokenize')) > 0.1
      ? { code: 'text-work', text: `Choosing tokens and writing text takes ${percent(shareOf(of('sample', 'detokenize')))} of the last request: with so small a model the steps are hardly longer than the work around them.` }
      : undefined,
    shareOf(of('prefill')) > 0.6 && newTokens > 256
      ? { code: 'prompt', text: `Reading the prompt takes ${percent(shareOf(of('prefill')))} of the last request: ${newTokens.toLocaleString('en-US')} new tokens. What a request has in common with the one before, from its beginning on, is not read again; a shorter beginning that stays the same would start the answer sooner.` }
      : undefined,
  ];
}

function unusedContext({ forecast, generations }: Profile): Hint | undefined {
  const used = Math.max(0, ...generations.map(({ promptTokens, generatedTokens }) => promptTokens + generatedTokens));
  if (forecast === undefined || used === 0 || used * 4 > forecast.contextTokens) {
    return undefined;
  }
  const now = forecastMemory(forecast, { contextTokens: forecast.contextTokens, batch: forecast.maxBatch });
  const shorterTokens = Math.floor(forecast.contextTokens / 4);
  const shorter = forecastMemory(forecast, { contextTokens: shorterTokens, batch: forecast.maxBatch });
  const bytesOf = (of: typeof now): number => of.devices.reduce((sum, { predictedBytes }) => sum + predictedBytes, 0);
  const savedBytes = bytesOf(now) - bytesOf(shorter);
  return savedBytes > Math.max(0.15 * bytesOf(now), worthFreeingBytes)
    ? { code: 'unused-context', text: `Keys and values are allocated for ${forecast.contextTokens.toLocaleString('en-US')} tokens, but the longest request used ${used.toLocaleString('en-US')}: a context of ${shorterTokens.toLocaleString('en-US')} would free ${formatBytes(savedBytes)}.` }
    : undefined;
}

function isBound(fraction: number): boolean {
  return fraction >= boundFraction && fraction <= cacheFraction;
}

function isProduct(opType: string): boolean {
  return /MatMul|Gemm|^project/.test(opType);
}

function percent(fraction: number): string {
  return `${Math.round(100 * fraction)} %`;
}

function formatMs(ms: number): string {
  return ms >= 1000 ? `${(ms / 1000).toFixed(1)} s` : `${ms.toPrecision(ms >= 100 ? 3 : 2)} ms`;
}
