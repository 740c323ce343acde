/** The scenarios by the names that people choose them by, each with its defaults. Pure. */

import { cpuDevice } from '../../common/deviceId';
import type { WeightFormat } from '../../common/dtype';
import { GlmError } from '../../common/errors';
import type { LoadOptions } from '../../common/protocol/engine';
import type { DeviceDescription } from '../../common/protocol/monitor';
import type { OtherEngine } from '../others/otherEngine';
import { againstOthersScenario } from './againstOthers';
import { alignmentScenario } from './alignment';
import { chatAgainstBaseScenario } from './chatAgainstBase';
import type { CasePlan, Scenario } from './scenario';
import { standardScenario } from './standard';
import { concurrencyScenario, contextScenario, devicesScenario, precisionScenario } from './sweeps';

export const scenarioNames = ['standard', 'chat-vs-base', 'precision', 'concurrency', 'context', 'devices', 'alignment', 'others'] as const;
export type ScenarioName = (typeof scenarioNames)[number];

/** Those whose cases can be replaced by one of other lengths; a sweep over lengths has its own. */
export const scenariosWithLengths: readonly ScenarioName[] = ['standard', 'chat-vs-base', 'precision', 'concurrency', 'devices', 'alignment', 'others'];

/** What can be changed; everything has a default but the second checkpoint of chat-vs-base. */
export interface ScenarioChoices {
  readonly secondSource?: string;
  readonly formats?: readonly WeightFormat[];
  readonly cases?: readonly CasePlan[];
  /** others: what to measure beside this engine. */
  readonly others?: readonly OtherEngine[];
}

/** @throws {GlmError} `bench-second-checkpoint` for chat-vs-base without a second checkpoint. */
export function scenarioByName(name: ScenarioName, base: LoadOptions, devices: readonly DeviceDescription[], choices: ScenarioChoices = {}): Scenario {
  switch (name) {
    case 'standard':
      return standardScenario(base, choices.cases);
    case 'chat-vs-base':
      if (choices.secondSource === undefined) {
        throw new GlmError('bench-second-checkpoint', 'chat-vs-base compares two checkpoints, and only one is named. Name the second one, such as the base checkpoint of the same model.');
      }
      return chatAgainstBaseScenario(base, [base.source, choices.secondSource], choices.cases);
    case 'precision':
      return precisionScenario(base, choices.formats ?? (base.provider === 'cuda' || (base.provider === 'auto' && hasCuda(devices)) ? ['bf16', 'int8', 'int4'] : ['f32', 'int8', 'int4']), choices.cases);
    case 'concurrency':
      return concurrencyScenario(base, choices.cases?.[0]);
    case 'context':
      return contextScenario(base);
    case 'devices': {
      const gpus = devices.filter((device) => device.kind === 'cuda').map((device) => device.id);
      return devicesScenario(base, [...gpus.map((_, index) => gpus.slice(0, index + 1)), [cpuDevice]], choices.cases);
    }
    case 'alignment':
      return alignmentScenario(base, devices, choices.cases);
    case 'others':
      return againstOthersScenario(base, choices.others ?? [], choices.cases);
    default:
      return name satisfies never;
  }
}

function hasCuda(devices: readonly DeviceDescription[]): boolean {
  return devices.some((device) => device.kind === 'cuda');
}
