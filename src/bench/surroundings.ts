/** What else the machine did during a measurement, read from telemetry. Pure. */

import { formatBytes } from '../common/byteFormat';
import { cpuDevice } from '../common/deviceId';
import type { DeviceReading, TelemetrySample } from '../common/protocol/monitor';
import { percentile } from './statistics';

/** Below this share of all cores, what else runs is not worth a caution. */
const otherLoadPercent = 10;
const busyPercent = 5;

export interface PowerUse {
  readonly averageWatts: number;
  readonly readings: number;
}

/**
 * Mean power of `devices` together, by the trapezoid rule over their readings. One reading in a longer run says little, so at least two are needed:
 * undefined otherwise, and when a reading lacks one of the devices' power.
 */
export function averagePower(samples: readonly TelemetrySample[], devices: readonly string[]): PowerUse | undefined {
  const readings = samples.flatMap((sample) => {
    const watts = totalPower(sample, devices);
    return watts === undefined ? [] : [{ timeMs: sample.timeMs, watts }];
  });
  let joules = 0;
  for (const [index, after] of readings.entries()) {
    const before = readings[index - 1];
    joules += before === undefined ? 0 : ((before.watts + after.watts) / 2) * ((after.timeMs - before.timeMs) / 1000);
  }
  const seconds = ((readings.at(-1)?.timeMs ?? 0) - (readings[0]?.timeMs ?? 0)) / 1000;
  return readings.length < 2 || seconds <= 0 ? undefined : { averageWatts: joules / seconds, readings: readings.length };
}

/** What used the devices before anything was loaded, one sentence each; empty when nothing did. */
export function describeBefore(sample: TelemetrySample): readonly string[] {
  return sample.devices.flatMap(({ id, processes = [], utilizationPercent }) => [
    ...(processes.length === 0 ? [] : [`${id} was in use by ${processes.map(({ name, pid, usedBytes }) => `${name ?? `process ${pid}`}${usedBytes === undefined ? '' : ` (${formatBytes(usedBytes)})`}`).join(', ')}`]),
    ...(utilizationPercent === undefined || utilizationPercent < (id === cpuDevice ? otherLoadPercent : busyPercent) ? [] : [`${id} was busy to ${utilizationPercent.toFixed(0)} %`]),
  ]);
}

/** Facts that weaken the figures, one sentence each: other GPU processes, other load on the cores, throttling, a lost device. */
export function surroundingsCautions(samples: readonly TelemetrySample[], ownPids: readonly number[], numLogicalCores = 1): readonly string[] {
  const cautions = new Set<string>(otherLoadCaution(samples, numLogicalCores));
  for (const sample of samples) {
    for (const device of sample.devices) {
      for (const caution of cautionsOf(device, ownPids)) {
        cautions.add(caution);
      }
    }
  }
  return [...cautions];
}

function cautionsOf(device: DeviceReading, ownPids: readonly number[]): readonly string[] {
  const others = (device.processes ?? []).filter((each) => !ownPids.includes(each.pid));
  return [
    ...(device.lost === undefined ? [] : [`${device.id} stopped answering: ${device.lost}`]),
    ...(others.length === 0 ? [] : [`${device.id} was also used by ${others.map((each) => each.name ?? `process ${each.pid}`).join(', ')}`]),
    ...(device.throttleReasons ?? []).map((reason) => `${device.id} was throttled: ${reason}`),
  ];
}

/** Median over the samples, since one busy second among many changes no median of runs. */
function otherLoadCaution(samples: readonly TelemetrySample[], numLogicalCores: number): readonly string[] {
  const shares = samples.flatMap((sample) => {
    const cpu = sample.devices.find((device) => device.id === cpuDevice);
    return cpu?.utilizationPercent === undefined || cpu.ownUtilizationPercent === undefined ? [] : [cpu.utilizationPercent - cpu.ownUtilizationPercent / numLogicalCores];
  });
  const share = shares.length < 2 ? 0 : percentile(shares, 50);
  return share < otherLoadPercent ? [] : [`other programs took ${share.toFixed(0)} % of the cores in the median`];
}

function totalPower(sample: TelemetrySample, devices: readonly string[]): number | undefined {
  const readings = [...new Set(devices)].map((id) => sample.devices.find((device) => device.id === id)?.powerWatts);
  return readings.length === 0 || readings.includes(undefined) ? undefined : readings.reduce<number>((sum, watts) => sum + (watts ?? 0), 0);
}
