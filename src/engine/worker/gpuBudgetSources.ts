/** Where the planner's GPUs come from, the preferred kind first. Each entry reads its own runtime, in this process. */

import { listCudaBudgets } from './cudaBudgets';
import type { BudgetSource } from './deviceBudgets';
import { listWebgpuBudgets } from './webgpuBudgets';

export const gpuBudgetSources: readonly BudgetSource[] = [listCudaBudgets, listWebgpuBudgets];
