import { formatBytes } from '../../common/byteFormat';
import { deviceKind, tryParseDeviceId } from '../../common/deviceId';
import type { DeviceBudget, PlacementPlan } from '../../common/placement';
import type { ModelDescription } from '../../common/protocol/engine';
import { tryParseBytes } from '../../common/byteParse';
import { addAction, type RegisterCommand } from '../command';
import { withEngine } from '../engineSession';
import { InputFileError, readInputJson } from '../inputFile';
import { addLoadOptions, resolveLoadOptions, type LoadFlags } from '../options/loadOptions';
import { formatTable } from '../textTable';

interface Flags extends LoadFlags {
  readonly devices?: string;
}

/** `glm plan`: where each layer would go and what that takes, on this machine or on the devices of a file. Loads nothing. */
export const registerPlan: RegisterCommand = (program, host) => {
  const command = addLoadOptions(program.command('plan').description('show where the layers would go, without loading')).option(
    '--devices <file>',
    'plan for these devices: [{"id": "cuda:0", "name": "…", "freeBytes": 25769803776}]',
  );
  addAction<Flags>(command, host, async (flags, invocation) => {
    const devices = flags.devices === undefined ? undefined : toBudgets(flags.devices, await readInputJson(invocation.context, flags.devices));
    const load = await resolveLoadOptions(flags, invocation);
    const { description, plan } = await withEngine(invocation, (engine) =>
      engine.request('model-plan', { ...load, ...(devices === undefined ? {} : { devices }) }, invocation.signal),
    );
    invocation.output.result({ ...plan, model: description }, describePlan(description, plan));
  });
};

function describePlan(description: ModelDescription, plan: PlacementPlan): string {
  const tokens = (count: number): string => count.toLocaleString('en-US');
  return [
    `${description.name} (${description.architecture}, ${description.numLayers} layers), ${plan.weightFormat} weights, ${plan.kvFormat} keys and values, context ${tokens(plan.contextTokens)}`,
    formatTable(
      ['stage', 'device', 'layers', 'weights', 'KV cache', 'activations'],
      plan.stages.map((stage) => [
        String(stage.stageIndex),
        stage.device,
        `${stage.firstLayer}-${stage.endLayer - 1}`,
        formatBytes(stage.weightBytes),
        formatBytes(stage.kvBytes),
        formatBytes(stage.activationBytes),
      ]),
    ),
    `largest context: ${tokens(plan.largestContextTokens)} tokens${plan.largestContextTokens === description.maxContextTokens ? ", the model's own limit" : ''} (${tokens(plan.largestContextAsPlacedTokens)} with the layers placed like this)`,
    ...plan.warnings.map((warning) => `warning: ${warning.message}`),
  ].join('\n');
}

/** Checks a list of devices; sizes may be written as `24GiB`. */
function toBudgets(path: string, value: unknown): readonly DeviceBudget[] {
  const list = Array.isArray(value) ? (value as unknown[]) : (value as { readonly devices?: unknown } | null)?.devices;
  if (!Array.isArray(list) || list.length === 0) {
    throw new InputFileError(path, 'expected a list of devices, [{"id": "cuda:0", "freeBytes": 25769803776}].');
  }
  const seen = new Set<string>();
  return list.map((entry: unknown, index) => {
    const fields = (typeof entry === 'object' && entry !== null ? entry : {}) as Readonly<Record<string, unknown>>;
    const id = typeof fields.id === 'string' ? tryParseDeviceId(fields.id) : undefined;
    const bytes = (name: string): number | undefined => {
      const size = fields[name];
      return typeof size === 'string' || typeof size === 'number' ? tryParseBytes(size) : undefined;
    };
    const freeBytes = bytes('freeBytes');
    if (id === undefined || freeBytes === undefined) {
      throw new InputFileError(path, `device ${index} needs an "id" such as cuda:0 and "freeBytes".`);
    }
    if (seen.has(id)) {
      throw new InputFileError(path, `device ${index} is ${id} once more.`);
    }
    seen.add(id);
    const bandwidth = fields.bandwidthBytesPerSecond;
    return {
      id,
      name: typeof fields.name === 'string' ? fields.name : id,
      provider: deviceKind(id),
      freeBytes,
      totalBytes: bytes('totalBytes'),
      bandwidthBytesPerSecond: typeof bandwidth === 'number' && bandwidth > 0 ? bandwidth : undefined,
    };
  });
}
