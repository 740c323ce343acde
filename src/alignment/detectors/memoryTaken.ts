/** Memory that another process took since the plan was made, or since the model was loaded. */

import type { AlignmentMessage } from '../../common/alignment';
import { formatBytes } from '../../common/byteFormat';
import { composeMessage, openState } from '../composeMessage';
import type { AlignmentFacts, DriverMemory } from '../facts';

/** Less than this is the noise of contexts, kernels and desktops. */
const leastBytes = 512 * 2 ** 20;
/** What a runtime takes besides our allocations while it loads: context, kernels, workspaces. */
const usualOverheadBytes = 2 ** 30;

export function findMemoryTaken(facts: AlignmentFacts): readonly AlignmentMessage[] {
  const devices = [...new Set((facts.driverMemory ?? []).map((driver) => driver.device))];
  return devices.flatMap((device): readonly AlignmentMessage[] => {
    const readings = (facts.driverMemory ?? []).filter((driver) => driver.device === device);
    // What was taken while loading may have been given back since.
    const driver = readings.find(({ since }) => since === 'load' && takenBytes(facts, readings, 'load') >= leastBytes) ?? readings.find(({ since }) => since === 'plan');
    if (driver === undefined || takenBytes(facts, readings, driver.since) < leastBytes) {
      return [];
    }
    const others = [...(driver.processes ?? [])]
      .filter((one) => one.usedBytes !== undefined)
      .sort((a, b) => (b.usedBytes ?? 0) - (a.usedBytes ?? 0))
      .slice(0, 3)
      .map((one) => `${one.name ?? 'process'} ${one.pid}: ${formatBytes(one.usedBytes)}`);
    const taken = takenBytes(facts, readings, driver.since);
    return [
      composeMessage(facts, {
        kind: 'memory-taken',
        cause: device,
        message: `Other processes took ${formatBytes(taken)} of ${device} since ${driver.since === 'load' ? 'the model was loaded' : 'the plan was made'}; ${formatBytes(latestFree(readings))} are free.${others.length > 0 ? ` On it now: ${others.join(', ')}.` : ''}`,
        state: openState(facts),
        consumerDevice: device,
        takenBytes: taken,
        next: [{ label: `End what else uses ${device}` }, { label: 'Reload the model on what is free now', command: 'glm.reloadModel' }],
      }),
    ];
  });
}

function latestFree(readings: readonly DriverMemory[]): number {
  return (readings.find(({ since }) => since === 'load') ?? readings[0])?.freeBytesNow ?? 0;
}

/** Since the plan less what has come back since the load, or since the load alone. */
function takenBytes(facts: AlignmentFacts, readings: readonly DriverMemory[], since: DriverMemory['since']): number {
  const missing = (driver: DriverMemory | undefined): number => (driver === undefined ? 0 : driver.freeBytesThen - driver.freeBytesNow - (driver.knownGrowthBytes ?? loadedBytes(facts, driver)));
  const sinceLoad = missing(readings.find((driver) => driver.since === 'load'));
  return since === 'load' ? sinceLoad : missing(readings.find((driver) => driver.since === 'plan')) + Math.min(0, sinceLoad);
}

function loadedBytes(facts: AlignmentFacts, driver: DriverMemory): number {
  const own = (facts.memory ?? []).filter((use) => use.device === driver.device);
  return own.reduce((sum, use) => sum + use.weightBytes + use.kvBytes + use.stagingBytes + (use.activationBytes ?? 0), 0) + usualOverheadBytes;
}
