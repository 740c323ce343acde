/** Sums up profiled steps: where a step's time goes by operator and by layer, and how near that comes to what the device can do. */

import { cpuDevice } from '../common/deviceId';
import type { OperatorProfile, ProfiledNode } from '../common/profile';
import type { OperatorRow, OperatorTable } from '../common/profileSummary';
import type { MeasuredBandwidth } from '../common/protocol/engine';
import { addsUpTo } from './collectSteps';
import { median, medianNodeUs } from './nodeTimes';
import { partOfNode } from './partTimes';

/** @param bandwidth  As measured by copies; devices without one get no fraction. */
export function operatorTable(profile: OperatorProfile, bandwidth: readonly MeasuredBandwidth[] = []): OperatorTable {
  const stepMs = profile.plainStepMs ?? median(profile.steps.map(({ durationMs }) => durationMs));
  const isDeviceTime = profile.clock === 'device' && addsUpTo(profile, stepMs);
  const rates = new Map(bandwidth.map(({ device, bytesPerSecond }) => [device, bytesPerSecond]));
  const medians = medianNodeUs(profile);
  const timed = profile.nodes.flatMap((node, index): TimedNode[] => {
    const us = medians[index];
    // The CPU computes while the host's clock runs; on a GPU that clock only sees work being queued.
    return us === undefined ? [] : [{ node, ms: us / 1000, hasOwnTime: isDeviceTime || node.device === cpuDevice, rate: rates.get(node.device) }];
  });
  const nodesMs = timed.reduce((sum, { ms }) => sum + ms, 0);
  const row = (label: string, group: readonly TimedNode[]): OperatorRow => sumUp(label, group, nodesMs);
  return {
    kind: profile.kind,
    mode: profile.mode,
    tokens: profile.tokens,
    contextTokens: profile.contextTokens,
    numSteps: profile.steps.length,
    clock: isDeviceTime ? 'device time' : 'host time',
    note: describeClock(profile, isDeviceTime, nodesMs, stepMs),
    stepMs,
    hasPlainStep: profile.plainStepMs !== undefined,
    nodesMs,
    byType: [...groupBy(timed, ({ node }) => node.opType)].map(([label, group]) => row(label, group)).sort(longestFirst),
    byLayer: [...groupBy(timed, ({ node }) => partLabel(node))].map(([label, group]) => row(label, group)).sort((a, b) => partOrder(a.label) - partOrder(b.label)),
    byNode: timed.map((each) => ({ ...row(each.node.name, [each]), node: each.node })).sort(longestFirst),
  };
}

interface TimedNode {
  readonly node: ProfiledNode;
  readonly ms: number;
  readonly hasOwnTime: boolean;
  readonly rate: number | undefined;
}

function sumUp(label: string, group: readonly TimedNode[], nodesMs: number): OperatorRow {
  const ms = group.reduce((sum, each) => sum + each.ms, 0);
  const known = (of: 'bytes' | 'flops'): number | undefined => (group.some(({ node }) => node[of] !== undefined) ? group.reduce((sum, { node }) => sum + (node[of] ?? 0), 0) : undefined);
  const [bytes, flops] = [known('bytes'), known('flops')];
  const hasOwnTime = ms > 0 && group.every((each) => each.hasOwnTime);
  const limitMs = group.every(({ rate }) => rate !== undefined) ? group.reduce((sum, { node, rate = Infinity }) => sum + (1000 * (node.bytes ?? 0)) / rate, 0) : undefined;
  return {
    label,
    numNodes: group.length,
    ms,
    share: nodesMs === 0 ? 0 : ms / nodesMs,
    ...(bytes === undefined ? {} : { bytes }),
    ...(flops === undefined ? {} : { flops }),
    ...(bytes === undefined || !hasOwnTime ? {} : { bytesPerSecond: (1000 * bytes) / ms }),
    ...(flops === undefined || !hasOwnTime ? {} : { flopsPerSecond: (1000 * flops) / ms }),
    ...(bytes === undefined || limitMs === undefined || !hasOwnTime ? {} : { bandwidthFraction: limitMs / ms }),
  };
}

function describeClock({ clock, mode, nodes, deviceNodesMs }: OperatorProfile, isDeviceTime: boolean, nodesMs: number, stepMs: number): string {
  const extra = mode === 'extra' ? 'Extra steps, run for this profile without graph capture. ' : '';
  const sum = stepMs > 0 ? `The nodes add up to ${Math.round((100 * nodesMs) / stepMs)} % of a plain step` : 'There is no plain step to hold the sum against';
  if (isDeviceTime) {
    return `${extra}Timed by the device. ${sum}.`;
  }
  if (clock === 'device') {
    return `${extra}The device was the clock, but its times do not add up to the step, so they are not to be read as shares of it. ${sum}.`;
  }
  return nodes.every(({ device }) => device === cpuDevice)
    ? `${extra}Timed by the host, which is the device here. ${sum}${nodesMs < 0.8 * stepMs ? '; the rest lies between them: waits for cores that other work took, and the runtime itself' : ''}.`
    : `${extra}Timed by the host: on a GPU that is when work was queued, not how long it took. ${sum}${deviceNodesMs === undefined || stepMs <= 0 ? '' : `; by the device's own clock ${Math.round((100 * deviceNodesMs) / stepMs)} %, too far from the step to show as its parts`}.`;
}

function partLabel(node: ProfiledNode): string {
  const { part, layer } = partOfNode(node);
  return part === 'layer' ? `layer ${layer}` : part;
}

function partOrder(label: string): number {
  return label === 'embedding' ? -1 : label === 'head' ? Infinity : Number(label.slice('layer '.length));
}

function longestFirst(a: OperatorRow, b: OperatorRow): number {
  return b.ms - a.ms;
}

function groupBy<T>(list: readonly T[], keyOf: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, [item]);
    } else {
      group.push(item);
    }
  }
  return groups;
}

