/** Records a profile with an engine of its own: telemetry, a generation with phases, what profiling costs, operators, bandwidth, placement. */

import { readdirSync, readFileSync } from 'node:fs';
import { ordinaryTokens } from '../../bench/engineAccess';
import { benchmarkPromptIds } from '../../bench/prompt';
import { describeEnvironment } from '../../bench/environment';
import { formatBytes } from '../../common/byteFormat';
import { isGlmError } from '../../common/errors';
import { profileSchema, type OperatorProfile, type Profile, type ProfilingCost } from '../../common/profile';
import type { GenerateParams, GenerateResult, LoadedModel, LoadOptions, MeasuredBandwidth, PlacementReport } from '../../common/protocol/engine';
import type { DeviceDescription } from '../../common/protocol/monitor';
import { defaultLength, greedySampling } from '../../common/sampling';
import type { EngineClient } from '../../engine/client/startEngine';
import type { MonitorClient } from '../../engine/client/startMonitor';
import { median } from '../../profiling/nodeTimes';
import { ProfileRecorder } from '../../profiling/profileRecorder';
import type { Invocation } from '../command';
import { withModel } from '../engineSession';

export interface RecordOptions {
  readonly load: LoadOptions;
  readonly promptTokens: number;
  readonly newTokens: number;
  /** Extra decode steps whose nodes are timed; 0 leaves operators out. */
  readonly operatorSteps: number;
  readonly version: string;
}

/** The cost is measured on shorter requests, plain and profiled in turns, since what it is has to be told from noise. */
const costPairs = 4;
const costPromptTokens = 32;
const costTokens = 48;
const telemetryMs = 1000;

/** Ctrl-C ends what runs and keeps what was measured; `isCut` tells that there was one. @throws whatever loading throws. */
export async function recordProfile(options: RecordOptions, invocation: Invocation): Promise<{ readonly profile: Profile; readonly isCut: boolean }> {
  const { context, output, log, signal } = invocation;
  const startedAtMs = Date.now();
  const recorder = new ProfileRecorder();
  const monitor = context.startMonitor(log);
  try {
    const devices = await monitor.request('devices-probe', {});
    monitor.on('telemetry-sample', (sample) => recorder.addSample(sample));
    const measured = await withModel(invocation, options.load, async (engine, model, handleInterrupts) => {
      handleInterrupts();
      recorder.addEngineMemory(Date.now(), model.memory);
      engine.on('memory-use', (memory) => recorder.addEngineMemory(Date.now(), memory));
      const ownPids = [engine.pid, monitor.pid].filter((pid) => pid !== undefined);
      recorder.addSample(await monitor.request('telemetry-read', { ownPids }));
      await monitor.request('telemetry-watch', { intervalMs: telemetryMs, ownPids });
      const parts = await measure(engine, model, options, invocation, recorder, telemetryMeter(monitor));
      await monitor.request('telemetry-watch', { ownPids });
      recorder.addSample(await monitor.request('telemetry-read', { ownPids }));
      return { model, ...parts };
    });
    output.status('');
    const { model, report, operators, bandwidth, cost } = measured;
    const profile: Profile = {
      schema: profileSchema,
      startedAtMs,
      environment: environmentOf(options.version, devices),
      model: modelFacts(model),
      ...recorder.snapshot(),
      ...(report === undefined ? {} : { placement: report.placement, forecast: report.forecast }),
      operators,
      bandwidth,
      ...(cost === undefined ? {} : { cost }),
    };
    return { profile, isCut: signal.aborted };
  } finally {
    await monitor.end();
  }
}

interface Measured {
  readonly report: PlacementReport | undefined;
  readonly operators: readonly OperatorProfile[];
  readonly bandwidth: readonly MeasuredBandwidth[];
  readonly cost: ProfilingCost | undefined;
}

async function measure(engine: EngineClient, model: LoadedModel, options: RecordOptions, invocation: Invocation, recorder: ProfileRecorder, telemetryPercent: () => number | undefined): Promise<Measured> {
  const { output, signal } = invocation;
  const promptTokens = Math.min(options.promptTokens, model.contextTokens - 2);
  const newTokens = Math.min(options.newTokens, model.contextTokens - promptTokens);
  if (promptTokens < options.promptTokens || newTokens < options.newTokens) {
    output.note(`note: the context holds ${model.contextTokens} tokens, so ${promptTokens} are read and ${newTokens} generated.`);
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
  let operators: readonly OperatorProfile[] = [];
  let bandwidth: readonly MeasuredBandwidth[] = [];
  let cost: ProfilingCost | undefined;
  const parts: readonly (() => Promise<void>)[] = [
    async () => {
      output.status('warming up');
      await generate(Math.min(promptTokens, costPromptTokens), Math.min(newTokens, 4), false);
    },
    async () => {
      output.status(`reading ${promptTokens} tokens`);
      const { profile } = await generate(promptTokens, newTokens, true, (done) => output.status(`generating: ${done} of ${newTokens} tokens`));
      if (profile !== undefined) {
        recorder.addGeneration(profile);
      }
    },
    async () => {
      cost = await measureCost((isProfiled, pair) => {
        output.status(`what profiling costs: pair ${pair + 1} of ${costPairs}`);
        return generate(Math.min(promptTokens, costPromptTokens), Math.min(newTokens, costTokens), isProfiled);
      }, signal);
    },
    async () => {
      output.status('memory bandwidth');
      bandwidth = await engine.request('memory-bandwidth', {}, signal);
    },
    async () => {
      if (options.operatorSteps > 0) {
        output.status('operators: extra steps whose every node is timed');
        operators = await engine.request('profile-operators', { promptTokens: Math.min(promptTokens, model.contextTokens - options.operatorSteps), decodeSteps: options.operatorSteps }, signal).catch((error: unknown) => {
          if (!isGlmError(error) || error.code === 'cancelled') {
            throw error;
          }
          output.note(`note: ${error.message}`);
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
    output.note(`note: the placement is not known: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  });
  const telemetryCorePercent = telemetryPercent();
  return { report, operators, bandwidth, cost: telemetryCorePercent === undefined ? cost : { ...cost, telemetryCorePercent } };
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
  return tpots.plain.length === 0 || tpots.profiled.length === 0 ? undefined : { plainTpotMs: median(tpots.plain), profiledTpotMs: median(tpots.profiled) };
}

/** @returns a function that tells the share of one core that the monitor took since now; undefined where the kernel does not tell. */
function telemetryMeter({ pid }: MonitorClient): () => number | undefined {
  const startMs = performance.now();
  const before = pid === undefined ? undefined : cpuMsOf(pid);
  return () => {
    const elapsedMs = performance.now() - startMs;
    const after = pid === undefined ? undefined : cpuMsOf(pid);
    // A few samples say nothing about the rate.
    return before === undefined || after === undefined || elapsedMs < 5 * telemetryMs ? undefined : (100 * (after - before)) / elapsedMs;
  };
}

/** CPU time of all threads of a process; Linux only. */
function cpuMsOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]), 0) / 1e6;
  } catch {
    return undefined;
  }
}

function modelFacts({ description, weights, kvCache, contextTokens, maxBatch, runtimeVersion, plan }: LoadedModel): NonNullable<Profile['model']> {
  return { description, weights, kvCache, contextTokens, maxBatch, runtimeVersion, stages: plan.stages };
}

function environmentOf(version: string, devices: readonly DeviceDescription[]): Profile['environment'] {
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
