/** The page that `GLM: Diagnose` opens, as Markdown. Pure; holds no prompts and no answers. */

import type { AlignmentMessage } from '../../common/alignment';
import { formatBytes } from '../../common/byteFormat';
import type { DeviceDescription } from '../../common/protocol/monitor';
import type { EngineState } from '../../engine/client';

export interface DiagnoseFacts {
  readonly versions: Readonly<Record<string, string>>;
  readonly totalMemoryBytes: number;
  readonly trusted: boolean;
  readonly probe: { readonly devices: readonly DeviceDescription[]; readonly problem?: string };
  readonly engine: EngineState;
  readonly enginePid?: number;
  readonly lastEngineLines: readonly string[];
  readonly alignment: readonly AlignmentMessage[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly errors: readonly string[];
  readonly logTail: readonly string[];
  /** Replaced by `~` wherever it appears, since it names the user. */
  readonly home?: string;
}

export function diagnoseReport(facts: DiagnoseFacts): string {
  const sections = [
    '# GLM Local: diagnosis',
    'This page can be pasted into a bug report. It holds no prompts and no answers; read the paths in it before you share it.',
    section('Versions', [...Object.entries(facts.versions).map(([name, version]) => `- ${name}: ${version}`), `- Memory: ${formatBytes(facts.totalMemoryBytes)}`, `- Workspace trusted: ${facts.trusted ? 'yes' : 'no'}`]),
    section('Devices', describeDevices(facts)),
    section('Model', describeEngine(facts)),
    section('Tensors away from their consumers', facts.alignment.map((message) => `- ${message.message} (${message.state})`)),
    section('Settings that differ from their defaults', Object.entries(facts.settings).map(([name, value]) => `- \`${name}\`: \`${JSON.stringify(value)}\``)),
    section('Last errors', block(facts.errors)),
    section('Last output of the engine', block(facts.lastEngineLines)),
    section('Log', block(facts.logTail)),
  ];
  const text = `${sections.join('\n\n')}\n`;
  return facts.home === undefined || facts.home.length < 3 ? text : text.replaceAll(facts.home, '~');
}

function section(title: string, lines: readonly string[]): string {
  return `## ${title}\n${lines.length === 0 ? 'None.' : lines.join('\n')}`;
}

function block(lines: readonly string[]): readonly string[] {
  return lines.length === 0 ? [] : ['~~~text', ...lines, '~~~'];
}

function describeDevices({ probe }: DiagnoseFacts): readonly string[] {
  return [
    ...(probe.problem === undefined ? [] : [`- The probe failed: ${probe.problem}`]),
    ...probe.devices.flatMap((device) => [
      `- \`${device.id}\` ${device.name}: ${formatBytes(device.freeBytes)} free of ${formatBytes(device.totalBytes)}, driver ${device.driverVersion ?? 'n/a'}, read through ${device.source}`,
      ...device.notes.map((note) => `  - ${note}`),
    ]),
  ];
}

function describeEngine({ engine, enginePid }: DiagnoseFacts): readonly string[] {
  if (engine.kind === 'none') {
    return [engine.idle === true ? '- Unloaded because it was idle' : '- None loaded'];
  }
  const { options } = engine;
  const asked = `- Asked for: \`${options.source}\`, provider ${options.provider}, weights ${options.weights}, KV cache ${options.kvCache}, context ${options.contextTokens ?? 'automatic'}, device map \`${JSON.stringify(options.deviceMap)}\``;
  switch (engine.kind) {
    case 'loading':
      return [asked, '- Loading'];
    case 'failed':
    case 'lost':
      return [asked, `- ${engine.kind === 'failed' ? 'Loading failed' : 'The engine was lost'} (\`${engine.error.code}\`): ${engine.error.message}`];
    case 'ready': {
      const { model } = engine;
      return [
        asked,
        `- Loaded: ${model.description.name} (${model.description.architecture}), ${model.weights} weights, ${model.kvCache} KV cache, context ${model.contextTokens} of ${model.description.maxContextTokens}`,
        `- ONNX Runtime ${model.runtimeVersion}, process ${enginePid ?? 'n/a'}${engine.responsive ? '' : ', **not responding**'}, loaded in ${(model.loadMs / 1000).toFixed(1)} s`,
        ...model.plan.stages.map((stage) => {
          const fact = model.assignments.find((assignment) => assignment.stageIndex === stage.stageIndex);
          const nodes = fact?.nodesByProvider === undefined ? 'nodes n/a' : Object.entries(fact.nodesByProvider).map(([name, count]) => `${count} nodes on ${name}`).join(', ');
          return `- Stage ${stage.stageIndex}: planned ${stage.device}, layers ${stage.firstLayer}–${stage.endLayer - 1}, ${formatBytes(stage.weightBytes)}; assigned ${fact === undefined ? 'n/a' : `${fact.device} (${nodes}${fact.attention === undefined ? '' : `; attention ${fact.attention.prefill} for prompts, ${fact.attention.decode} for tokens`})`}`;
        }),
        ...model.plan.warnings.map((warning) => `- Warning: ${warning.message}`),
      ];
    }
    default:
      return engine satisfies never;
  }
}
