/** Which GPUs CUDA will number `cuda:0`, `cuda:1`, …: all in PCI order, cut and reordered by CUDA_VISIBLE_DEVICES. */

import { NvmlDeviceLostError, type NvmlDevice } from './nvmlApi';

export interface VisibleGpu {
  /** What CUDA uses: the card, or one MIG instance of it. */
  readonly device: NvmlDevice;
  /** The card of a MIG instance; it has the readings that instances lack. */
  readonly card?: NvmlDevice;
  readonly notes: readonly string[];
}

/**
 * The GPUs in CUDA's order, provided that the engine runs with CUDA_DEVICE_ORDER=PCI_BUS_ID.
 *
 * As CUDA does it: the list ends at the first entry that names nothing; with MIG on, a process sees one instance only.
 *
 * @param setting  CUDA_VISIBLE_DEVICES; undefined when unset.
 */
export function visibleGpus(devices: readonly (NvmlDevice | string)[], setting: string | undefined): readonly VisibleGpu[] {
  const cards = devices.filter((device) => typeof device !== 'string');
  if (setting === undefined) {
    const instances = cards.map((card) => migInstances(card));
    const first = instances.flatMap((list, index) => (list ?? []).map((instance) => ({ instance, card: cards[index] as NvmlDevice })))[0];
    const whole = cards.filter((_, index) => instances[index] === undefined);
    return whole.length > 0 || first === undefined ? whole.map((device) => ({ device, notes: [] })) : [migGpu(first.instance, first.card)];
  }
  const found: VisibleGpu[] = [];
  for (const entry of setting.split(',').map((text) => text.trim())) {
    const gpu = findGpu(devices, cards, entry);
    if (gpu === undefined || found.some((other) => other.device === gpu.device)) {
      break;
    }
    found.push(gpu);
  }
  const mig = found.find((gpu) => gpu.card !== undefined);
  return mig === undefined ? found : [mig];
}

function findGpu(devices: readonly (NvmlDevice | string)[], cards: readonly NvmlDevice[], entry: string): VisibleGpu | undefined {
  if (/^\d+$/.test(entry)) {
    const device = devices[Number(entry)];
    if (device === undefined || typeof device === 'string') {
      return undefined;
    }
    const instances = migInstances(device);
    return instances === undefined ? { device, notes: [] } : instances[0] === undefined ? undefined : migGpu(instances[0], device);
  }
  if (entry.startsWith('MIG-')) {
    for (const card of cards) {
      const instance = migInstances(card)?.find((one) => uuid(one)?.startsWith(entry) ?? false);
      if (instance !== undefined) {
        return migGpu(instance, card);
      }
    }
    return undefined;
  }
  const matches = entry.startsWith('GPU-') ? cards.filter((card) => uuid(card)?.startsWith(entry) ?? false) : [];
  return matches.length === 1 ? { device: matches[0] as NvmlDevice, notes: [] } : undefined;
}

const migGpu = (instance: NvmlDevice, card: NvmlDevice): VisibleGpu => ({
  device: instance,
  card,
  notes: ['A MIG instance: memory is its own; temperature, power and clocks are those of the whole card; CUDA lets a process use one instance.'],
});

const migInstances = (card: NvmlDevice): readonly NvmlDevice[] | undefined => unlessLost(() => card.migInstances());
const uuid = (device: NvmlDevice): string | undefined => unlessLost(() => device.uuid());

/** A card that is lost already keeps its place in the order; its readings will say what is wrong. */
function unlessLost<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof NvmlDeviceLostError) {
      return undefined;
    }
    throw error;
  }
}
