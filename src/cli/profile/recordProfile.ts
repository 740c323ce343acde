/** Records a profile with an engine of its own: telemetry, a generation with phases, what profiling costs, operators, bandwidth, placement. */

import { measureProfile, modelFacts, profileEnvironment } from '../../bench/profile/measureProfile';
import { meterProcess } from '../../bench/profile/telemetryMeter';
import { profileSchema, type Profile } from '../../common/profile';
import type { LoadOptions } from '../../common/protocol/engine';
import { withCopyTimes } from '../../profiling/copyTimes';
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
      const telemetryPercent = meterProcess(monitor.pid);
      const { promptTokens, newTokens, operatorSteps } = options;
      const onNote = (text: string): void => output.note(`note: ${text}`);
      const parts = await measureProfile(engine, model, { promptTokens, newTokens, operatorSteps, signal, onStatus: (text) => output.status(text), onNote }, recorder);
      const telemetryCorePercent = telemetryPercent();
      await monitor.request('telemetry-watch', { ownPids });
      recorder.addSample(await monitor.request('telemetry-read', { ownPids }));
      return { model, ...parts, cost: telemetryCorePercent === undefined ? parts.cost : { ...parts.cost, telemetryCorePercent } };
    });
    output.status('');
    const { model, report, operators, bandwidth, cost } = measured;
    const recorded = recorder.snapshot();
    const profile: Profile = {
      schema: profileSchema,
      startedAtMs,
      environment: profileEnvironment(options.version, devices),
      model: modelFacts(model),
      ...recorded,
      ...(report === undefined ? {} : { placement: withCopyTimes(report.placement, recorded.generations), forecast: report.forecast }),
      operators,
      bandwidth,
      ...(cost === undefined ? {} : { cost }),
    };
    return { profile, isCut: signal.aborted };
  } finally {
    await monitor.end();
  }
}
