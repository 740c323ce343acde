/** The devices of this machine as the planner takes them, with free bytes measured at this moment. */

import { readMainMemory } from '../../devices/probe/cpuProbe';
import { SystemFiles } from '../../devices/probe/systemFiles';
import { cpuDevice } from '../../common/deviceId';
import type { DeviceBudget } from '../../common/placement';
import type { LoadOptions } from '../../common/protocol/engine';

/** Lists GPUs of one kind; each runtime that can run stages brings its own. */
export type BudgetSource = (options: LoadOptions) => Promise<readonly DeviceBudget[]>;

/** GPUs first, in the order of their sources, then the CPU, which is always there. */
export async function listBudgets(options: LoadOptions, gpuSources: readonly BudgetSource[]): Promise<readonly DeviceBudget[]> {
  const gpus = options.provider === 'cpu' ? [] : (await Promise.all(gpuSources.map((source) => source(options)))).flat();
  return [...gpus, cpuBudget()];
}

function cpuBudget(): DeviceBudget {
  const memory = readMainMemory(new SystemFiles());
  return { id: cpuDevice, name: 'CPU', provider: 'cpu', freeBytes: memory.freeBytes, totalBytes: memory.totalBytes };
}
