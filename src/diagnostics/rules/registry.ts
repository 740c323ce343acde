/** Every rule, in the order of its code. */
import { benchmarkUnfixedLength } from './benchmarkUnfixedLength';
import { deviceFromAvailability } from './deviceFromAvailability';
import { discardedTo } from './discardedTo';
import { fullPrecisionOnGpu } from './fullPrecisionOnGpu';
import { hardCodedDevice } from './hardCodedDevice';
import { inputsNotOnModelDevice } from './inputsNotOnModelDevice';
import { movingDispatchedModel } from './movingDispatchedModel';
import { noWarmup } from './noWarmup';
import { partialMove } from './partialMove';
import { rightPaddingForGeneration } from './rightPaddingForGeneration';
import type { Rule } from './rule';
import { sequentialGenerate } from './sequentialGenerate';
import { timingWithoutSynchronize } from './timingWithoutSynchronize';
import { unequalGenerationParams } from './unequalGenerationParams';

export const rules: readonly Rule[] = [
  inputsNotOnModelDevice,
  discardedTo,
  hardCodedDevice,
  movingDispatchedModel,
  deviceFromAvailability,
  partialMove,
  benchmarkUnfixedLength,
  unequalGenerationParams,
  timingWithoutSynchronize,
  noWarmup,
  sequentialGenerate,
  fullPrecisionOnGpu,
  rightPaddingForGeneration,
];

export function findRule(code: string): Rule | undefined {
  return rules.find((rule) => rule.code === code);
}
