/** What else the machine did during a measurement, read from telemetry. Pure. */

import type { DeviceReading, TelemetrySample } from '../common/protocol/monitor';

/**
 * Energy of all devices over the samples, by the trapezoid rule over their power readings.
 * Undefined when fewer than two samples carry power: then nothing was measured.
 */
export function energyJoules(samples: readonly TelemetrySample[]): number | undefined {
  let joules = 0;
  let measured = false;
  for (let index = 1; index < samples.length; index += 1) {
    const before = samples[index - 1];
    const after = samples[index];
    if (before === undefined || after === undefined) {
      continue;
    }
    const power = [totalPower(before), totalPower(after)] as const;
    if (power[0] !== undefined && power[1] !== undefined) {
      joules += ((power[0] + power[1]) / 2) * ((after.timeMs - before.timeMs) / 1000);
      measured = true;
    }
  }
  return measured ? joules : undefined;
}

/** Facts that weaken the figures, one sentence each: other GPU processes, throttling, a lost device. */
export function surroundingsCautions(samples: readonly TelemetrySample[], ownPids: readonly number[]): readonly string[] {
  const cautions = new Set<string>();
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

function totalPower(sample: TelemetrySample): number | undefined {
  const readings = sample.devices.flatMap((device) => (device.powerWatts === undefined ? [] : [device.powerWatts]));
  return readings.length === 0 ? undefined : readings.reduce((sum, watts) => sum + watts, 0);
}
