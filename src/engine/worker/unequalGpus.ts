/** GPUs of different kinds share a model by how fast each moves memory, which is measured; equal ones share it evenly without that. */

import type { DeviceId } from '../../common/deviceId';
import type { DeviceBudget } from '../../common/placement';
import type { MeasuredBandwidth } from '../../common/protocol/engine';

export type MeasureDevices = (devices: readonly DeviceId[]) => Promise<readonly MeasuredBandwidth[]>;

/**
 * The same budgets, with `bandwidthBytesPerSecond` where the GPUs are not all of one name. A device that can't be measured stays without;
 * the planner then takes it for as fast as the mean of the others.
 *
 * @param known  What was measured before in this process, by device; added to. A card's speed does not change between two plans.
 */
export async function withMeasuredSpeeds(budgets: readonly DeviceBudget[], measure: MeasureDevices, known: Map<DeviceId, number>): Promise<readonly DeviceBudget[]> {
  if (new Set(budgets.map(({ name }) => name)).size < 2) {
    return budgets;
  }
  const unknown = budgets.map(({ id }) => id).filter((id) => !known.has(id));
  for (const { device, bytesPerSecond } of unknown.length === 0 ? [] : await measure(unknown)) {
    known.set(device, bytesPerSecond);
  }
  return budgets.map((budget) => ({ ...budget, bandwidthBytesPerSecond: known.get(budget.id) }));
}
