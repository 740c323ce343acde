/** What a profile needs of a loaded model: a generation with phases, what profiling costs, operators, bandwidth, placement. For the command line and the editor. */

import { formatBytes } from '../../common/byteFormat';
import { isGlmError } from '../../common/errors';
import type { OperatorProfile, Profile, ProfilingCost } from '../../common/profile';
import type { EngineContract, GenerateParams, GenerateResult, LoadedModel, MeasuredBandwidth, PlacementReport, TokenDelta } from '../../common/protocol/engine';
import type { DeviceDescription } from '../../common/protocol/monitor';
import { defaultLength, greedySampling } from '../../common/sampling';
import { median } from '../../profiling/nodeTimes';
import type { ProfileRecorder } from '../../profiling/profileRecorder';
import { ordinaryTokens } from '../engineAccess';
import { describeEnvironment } from '../environment';
import { benchmarkPromptIds } from '../prompt';

type UsedRequest = 'conversation-forget' | 'memory-bandwidth' | 'profile-operators' | 'placement-map';

/** EngineClient and EngineSupervisor have it. */
export interface ProfiledEngine {
  request<M extends UsedRequest>(method: M, params: EngineContract['requests'][M]['params'], signal?: AbortSignal): Promise<EngineContract['requests'][M]['result']>;
  generate(params: GenerateParams, listener: { readonly onDelta?: (delta: TokenDelta) => void }, signal?: AbortSignal): Promise<GenerateResult>;
}

export interface ProfileMeasurement {
  readonly promptTokens: number;
  readonly newTokens: number;
  /** Extra decode steps whose nodes are timed; 0 leaves operators out. */
  readonly operatorSteps: number;
  /** A cancel keeps what was measured until then. */
  readonly signal: AbortSignal;
  /** What is being measured now. */
  readonly onStatus: (text: string) => void;
  /** What could not be had, in a sentence. */
  readonly onNote: (text: string) => void;
}

/** The cost is measured on requests of about this length, plain and profiled in turns, since what it is has to be told from noise. */
const costPairs = 5;
const costRunMs = 600;
const costTokens = { least: 16, most: 512 } as const;
const costPromptTokens = 32;

export interface MeasuredProfile {
  readonly report: PlacementReport | undefined;
  readonly operators: readonly OperatorProfile[];
  readonly bandwidth: readonly MeasuredBandwidth[];
  readonly cost: ProfilingCost | undefined;
}

/** The profiled generation goes into `recorder`. @throws whatever a request throws, unless it was cancelled. */
export async function measureProfile(engine: ProfiledEngine, model: LoadedModel, options: ProfileMeasurement, recorder: Pick<ProfileRecorder, 'addGeneration'>): Promise<MeasuredProfile> {
  const { onStatus, onNote, signal } = options;
  const promptTokens = Math.min(options.promptTokens, model.contextTokens - 2);
  const newTokens = Math.min(options.newTokens, model.contextTokens - promptTokens);
  if (promptTokens < options.promptTokens || newTokens < options.newTokens) {
    onNote(`the context holds ${model.contextTokens} tokens, so ${promptTokens} are read and ${newTokens} generated.`);
  }
  let requests = 0;
  const generate = async (tokens: number, count: number, profile: boolean, onToken?: (doneTokens: number) => void): Promise<GenerateResult> => {
    const generationId = `profile-${(requests += 1)}`;
    const params: GenerateParams = {
      generationId,
      conversationKey: generationId,
      // The first token differs each time, so that nothing is in the cache already.
      prompt: { kind: 'ids', ids: [requests, ...benchmarkPromptIds(tokens, ordinaryTokens(model))].slice(0, tokens) },
      options: { ...greedySampling, ...defaultLength, maxNewTokens: count, minNewTokens: count, ignoreEos: true },
      profile,
    };
    try {
      return await engine.generate(params, { onDelta: ({ generatedTokens }) => onToken?.(generatedTokens) }, signal);
    } finally {
      await engine.request('conversation-forget', { conversationKey: generationId });
    }
  };
  let tpotMs: number | undefined;
  let operators: readonly OperatorProfile[] = [];
  let bandwidth: readonly MeasuredBandwidth[] = [];
  let cost: ProfilingCost | undefined;
  const parts: readonly (() => Promise<void>)[] = [
    async () => {
      onStatus('warming up');
      await generate(Math.min(promptTokens, costPromptTokens), Math.min(newTokens, 4), false);
    },
    async () => {
      onStatus(`reading ${promptTokens} tokens`);
      const { profile, ...result } = await generate(promptTokens, newTokens, true, (done) => onStatus(`generating: ${done} of ${newTokens} tokens`));
      ({ tpotMs } = result);
      if (profile !== undefined) {
        recorder.addGeneration(profile);
      }
    },
    async () => {
      const readTokens = Math.min(promptTokens, costPromptTokens);
      const count = Math.min(Math.max(Math.round(costRunMs / (tpotMs ?? costRunMs)), costTokens.least), costTokens.most, model.contextTokens - readTokens);
      cost = await measureCost((isProfiled, pair) => {
        onStatus(`what profiling costs: pair ${pair + 1} of ${costPairs}`);
        return generate(readTokens, count, isProfiled);
      }, signal);
    },
    async () => {
      onStatus('memory bandwidth');
      bandwidth = await engine.request('memory-bandwidth', {}, signal);
    },
    async () => {
      if (options.operatorSteps > 0) {
        onStatus('operators: extra steps whose every node is timed');
        operators = await engine.request('profile-operators', { promptTokens: Math.min(promptTokens, model.contextTokens - options.operatorSteps), decodeSteps: options.operatorSteps }, signal).catch((error: unknown) => {
          if (!isGlmError(error) || error.code === 'cancelled') {
            throw error;
          }
          onNote(error.message);
          return [];
        });
      }
    },
  ];
  for (const part of parts) {
    if (signal.aborted) {
      break;
    }
    await part().catch((error: unknown) => {
      if (!signal.aborted) {
        throw error;
      }
    });
  }
  // Asked for last, since it tells the operators' times by layer, and also after Ctrl-C: it measures nothing.
  const report = await engine.request('placement-map', {}).catch((error: unknown) => {
    onNote(`the placement is not known: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });
  return { report, operators, bandwidth, cost };
}

async function measureCost(run: (isProfiled: boolean, pair: number) => Promise<GenerateResult>, signal: AbortSignal): Promise<ProfilingCost | undefined> {
  const tpots: Record<'plain' | 'profiled', number[]> = { plain: [], profiled: [] };
  for (let pair = 0; pair < costPairs && !signal.aborted; pair += 1) {
    // Neither is always the first, which a warming or cooling machine would favour.
    for (const isProfiled of pair % 2 === 0 ? [false, true] : [true, false]) {
      const { tpotMs, stopReason } = await run(isProfiled, pair);
      if (tpotMs !== undefined && stopReason !== 'cancelled') {
        tpots[isProfiled ? 'profiled' : 'plain'].push(tpotMs);
      }
    }
  }
  const { plain, profiled } = tpots;
  return plain.length === 0 || profiled.length === 0
    ? undefined
    : { plainTpotMs: median([...plain]), profiledTpotMs: median([...profiled]), plainSpreadPercent: (100 * (Math.max(...plain) - Math.min(...plain))) / median([...plain]) };
}

export function modelFacts({ description, weights, kvCache, contextTokens, maxBatch, runtimeVersion, plan }: LoadedModel): NonNullable<Profile['model']> {
  return { description, weights, kvCache, contextTokens, maxBatch, runtimeVersion, stages: plan.stages };
}

export function profileEnvironment(version: string, devices: readonly DeviceDescription[]): Profile['environment'] {
  const { commit, nodeVersion, platform, cpu, logicalCores, memoryBytes } = describeEnvironment(version, devices);
  return {
    'GLM Local': version,
    ...(commit === undefined ? {} : { commit }),
    node: nodeVersion,
    platform,
    cpu: `${cpu}, ${logicalCores} threads, ${formatBytes(memoryBytes)}`,
    ...Object.fromEntries(devices.flatMap((device) => (device.kind === 'cpu' ? [] : [[device.id, `${device.name}, driver ${device.driverVersion ?? 'n/a'}`]]))),
  };
}
