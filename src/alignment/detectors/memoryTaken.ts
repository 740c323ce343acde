/** Memory that another process took since the plan was made. */

import type { AlignmentMessage } from '../../common/alignment';
import { formatBytes } from '../../common/byteFormat';
import { composeMessage, openState } from '../composeMessage';
import type { AlignmentFacts, DriverMemory } from '../facts';

/** Less than this is the noise of contexts, kernels and desktops. */
const leastBytes = 512 * 2 ** 20;
const usualOverheadBytes = 2 ** 30;

export function findMemoryTaken(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return (facts.driverMemory ?? []).flatMap((driver): readonly AlignmentMessage[] => {
    const takenBytes = driver.freeBytesAtPlan - driver.freeBytesNow - ownBytes(facts, driver);
    if (takenBytes < leastBytes) {
      return [];
    }
    const others = [...(driver.processes ?? [])]
      .filter((one) => one.usedBytes !== undefined && one.usedBytes !== driver.ownProcessBytes)
      .sort((a, b) => (b.usedBytes ?? 0) - (a.usedBytes ?? 0))
      .slice(0, 3)
      .map((one) => `${one.name ?? 'process'} ${one.pid}: ${formatBytes(one.usedBytes)}`);
    return [
      composeMessage(facts, {
        kind: 'memory-taken',
        cause: driver.device,
        message: `Other processes took ${formatBytes(takenBytes)} of ${driver.device} since the plan was made; ${formatBytes(driver.freeBytesNow)} are free.${others.length > 0 ? ` On it now: ${others.join(', ')}.` : ''}`,
        state: openState(facts),
        consumerDevice: driver.device,
        next: [{ label: `End what else uses ${driver.device}` }, { label: 'Reload the model on what is free now', command: 'glm.reloadModel' }],
      }),
    ];
  });
}

/** The driver's own figure where there is one; else our allocations and what a runtime usually takes besides. */
function ownBytes(facts: AlignmentFacts, driver: DriverMemory): number {
  if (driver.ownProcessBytes !== undefined) {
    return driver.ownProcessBytes;
  }
  const own = (facts.memory ?? []).filter((use) => use.device === driver.device);
  const allocated = own.reduce((sum, use) => sum + use.weightBytes + use.kvBytes + use.stagingBytes + (use.activationBytes ?? 0), 0);
  return allocated + (driver.overheadBytes ?? usualOverheadBytes);
}
