/** What `node dist/benchGpu.js` can measure on a machine with NVIDIA GPUs, by name. Pure. */

import type { DeviceId } from '../../common/deviceId';
import type { LoadOptions } from '../../common/protocol/engine';
import { againstOthersScenario } from '../scenarios/againstOthers';
import { loadFor, type CasePlan, type Scenario } from '../scenarios/scenario';
import { standardScenario } from '../scenarios/standard';
import { precisionScenario } from '../scenarios/sweeps';

export interface GpuPart {
  /** Also the report's file name. */
  readonly name: string;
  readonly scenario: Scenario;
}

export interface GpuPartOptions {
  readonly base: LoadOptions;
  readonly devices: readonly DeviceId[];
  readonly python: string;
  readonly compileLimitMs: number;
}

/** In the order they run. `--part` chooses by the beginning of a name; without it the four standard reports are made. */
export function gpuParts({ base, devices, python, compileLimitMs }: GpuPartOptions): readonly GpuPart[] {
  const one: Partial<LoadOptions> = { deviceMap: { kind: 'single', device: devices[0] } };
  const two: Partial<LoadOptions> = { deviceMap: { kind: 'balanced' }, includeDevices: devices.slice(0, 2) };
  const standard = (name: string, changes: Partial<LoadOptions>): GpuPart => ({ name: `standard-${name}`, scenario: standardScenario({ ...base, ...changes }) });
  const single = (name: string, plan: CasePlan, changes: Partial<LoadOptions>): GpuPart => ({
    name,
    scenario: { name, title: name, loads: [{ label: name, load: loadFor(base, [plan], changes), cases: [plan] }] },
  });
  const bf16One: LoadOptions = { ...base, ...one, weights: 'bf16' };
  const requests = (count: number, promptTokens: number, newTokens: number): CasePlan => ({ name: `prompt ${promptTokens}, ${newTokens} new, ${count} at once`, promptTokens, newTokens, concurrency: count });
  const long: CasePlan = { name: 'prompt 8192, 128 new', promptTokens: 8192, newTokens: 128, concurrency: 1 };
  const hasTwo = devices.length > 1;
  return [
    standard('bf16-1gpu', { ...one, weights: 'bf16' }),
    standard('int4-1gpu', { ...one, weights: 'int4' }),
    ...(hasTwo ? [standard('bf16-2gpu', { ...two, weights: 'bf16' }), standard('int4-2gpu', { ...two, weights: 'int4' })] : []),
    {
      name: 'others-bf16-1gpu',
      scenario: againstOthersScenario(bf16One, [{ kind: 'transformers', python, source: base.source, dtype: 'bf16', device: 'cuda:0', variants: ['eager', 'compiled'], warmupLimitMs: compileLimitMs }]),
    },
    { name: 'precision-1gpu', scenario: precisionScenario({ ...base, ...one }, ['bf16', 'int8', 'int4']) },
    single('long-bf16-1gpu', long, { ...one, weights: 'bf16' }),
    single('long-int4-1gpu', long, { ...one, weights: 'int4' }),
    single('batch-bf16-1gpu', requests(16, 512, 128), { ...one, weights: 'bf16' }),
    single('requests-bf16-1gpu', requests(32, 2048, 64), { ...one, weights: 'bf16' }),
    ...(hasTwo ? [single('long-bf16-2gpu', long, { ...two, weights: 'bf16' }), single('requests-bf16-2gpu', requests(32, 2048, 64), { ...two, weights: 'bf16' })] : []),
  ];
}

/** @param wanted  Beginnings of names; none means the standard ones. */
export function chooseParts(parts: readonly GpuPart[], wanted: readonly string[]): readonly GpuPart[] {
  const beginnings = wanted.length === 0 ? ['standard-'] : wanted;
  return parts.filter(({ name }) => beginnings.some((beginning) => beginning === 'all' || name.startsWith(beginning)));
}
