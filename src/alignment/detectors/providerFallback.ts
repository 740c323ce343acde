/** Stages whose nodes run elsewhere than planned: all of them (the provider was replaced) or some (fallback). */

import type { AlignmentMessage } from '../../common/alignment';
import { cpuDevice, type ProviderKind } from '../../common/deviceId';
import { composeMessage, openState } from '../composeMessage';
import type { AlignmentFacts } from '../facts';
import { stageName } from '../tensorPlaces';

const providerNames: Readonly<Record<ProviderKind, RegExp>> = { cpu: /^cpu/i, cuda: /^cuda/i, webgpu: /^webgpu/i };
const shownNodes = 3;

/** A GPU that `auto` would have taken, were its provider there; or no node of a stage runs on the planned provider, since the runtime took another one without a word. */
export function findProviderReplaced(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return [...findGpuLeftOut(facts), ...findStageReplaced(facts)];
}

function findGpuLeftOut(facts: AlignmentFacts): readonly AlignmentMessage[] {
  const [first, ...more] = facts.gpusLeftOut ?? [];
  if (first === undefined) {
    return [];
  }
  const used = [...new Set(facts.plan.stages.map((stage) => stage.device))].join(' and ');
  return [
    composeMessage(facts, {
      kind: 'provider-replaced',
      cause: `${first.device} left out`,
      message: `The model is on ${used}, whereas this machine has ${first.name} (${[first, ...more].map(({ device }) => device).join(', ')}). ${first.reason}`,
      state: openState(facts),
      consumerDevice: first.device,
      next: [{ label: 'Set up CUDA', command: 'glm.setupCuda' }],
    }),
  ];
}

function findStageReplaced(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return facts.plan.stages.flatMap((stage): readonly AlignmentMessage[] => {
    const assignment = facts.assignments.find((one) => one.stageIndex === stage.stageIndex);
    const nodes = Object.entries(assignment?.nodesByProvider ?? {}).filter(([, count]) => count > 0);
    const isReplaced = assignment !== undefined && (assignment.provider !== stage.provider || (nodes.length > 0 && !nodes.some(([name]) => providerNames[stage.provider].test(name))));
    if (!isReplaced) {
      return [];
    }
    const actual = assignment.provider !== stage.provider ? assignment.provider : (nodes[0]?.[0] ?? 'another provider');
    return [
      composeMessage(facts, {
        kind: 'provider-replaced',
        cause: `stage ${stage.stageIndex}`,
        message: `${capitalised(stageName(facts, stage.stageIndex))} was to run with ${stage.provider} on ${stage.device}, but the runtime runs all of it with ${actual}.`,
        state: openState(facts),
        tensorDevice: assignment.device === stage.device ? undefined : assignment.device,
        consumerDevice: stage.device,
        next: stage.provider === 'cuda' ? [{ label: 'Set up CUDA', command: 'glm.setupCuda' }] : [{ label: 'Show what is wrong with this device', command: 'glm.diagnose' }],
      }),
    ];
  });
}

/** Some nodes of a GPU stage run on the CPU: each makes its inputs and outputs cross the border. */
export function findNodeFallback(facts: AlignmentFacts): readonly AlignmentMessage[] {
  return facts.plan.stages.flatMap((stage): readonly AlignmentMessage[] => {
    const assignment = facts.assignments.find((one) => one.stageIndex === stage.stageIndex);
    const nodes = Object.entries(assignment?.nodesByProvider ?? {});
    const count = (pattern: RegExp): number => nodes.filter(([name]) => pattern.test(name)).reduce((sum, [, value]) => sum + value, 0);
    const named = assignment?.cpuNodes ?? [];
    // Where the runtime lists only the nodes that a provider did not take, there are names without a count.
    const knowsAll = assignment?.nodesByProvider !== undefined;
    const onCpu = knowsAll ? count(providerNames.cpu) : named.length;
    if (assignment === undefined || stage.provider === 'cpu' || onCpu === 0 || (knowsAll && count(providerNames[stage.provider]) === 0)) {
      return [];
    }
    const total = nodes.reduce((sum, [, value]) => sum + value, 0);
    const names = named.length === 0 ? '' : `: ${named.slice(0, shownNodes).map(({ name, operator }) => `${name} (${operator})`).join(', ')}${named.length > shownNodes ? ` and ${named.length - shownNodes} more` : ''}`;
    const operators = [...new Set(named.map(({ operator }) => operator))];
    const bytes = named.flatMap(({ bytesPerToken }) => bytesPerToken ?? []);
    return [
      composeMessage(facts, {
        kind: 'node-fallback',
        cause: `stage ${stage.stageIndex}`,
        message: `${onCpu}${knowsAll ? ` of ${total}` : ''} ${onCpu === 1 && !knowsAll ? 'node' : 'nodes'} of ${stageName(facts, stage.stageIndex)} ${onCpu === 1 ? 'runs' : 'run'} on cpu, whereas the stage is on ${stage.device}${names}. The provider ${stage.provider} has no kernel for ${operators.length === 0 ? 'them' : operators.slice(0, shownNodes).join(', ')} in this form.`,
        state: openState(facts),
        tensorDevice: cpuDevice,
        consumerDevice: stage.device,
        ...(bytes.length === 0 ? {} : { bytesPerToken: bytes.reduce((sum, one) => sum + one, 0) }),
        next: [{ label: 'Show the log of this load', command: 'glm.showLog' }],
      }),
    ];
  });
}

const capitalised = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
