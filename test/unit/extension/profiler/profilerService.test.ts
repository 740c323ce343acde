import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../../src/common/deviceId';
import type { GenerationProfile } from '../../../../src/common/profile';
import type { TelemetrySample } from '../../../../src/common/protocol/monitor';
import { Emitter } from '../../../../src/extension/emitter';
import { createProfilerHandlers, type ShownProfile } from '../../../../src/extension/profiler/profilerHandlers';
import { ProfilerService, type ProfiledDevices } from '../../../../src/extension/profiler/profilerService';
import type { ChromeTrace } from '../../../../src/profiling/chromeTrace';
import { withCopyTimes } from '../../../../src/profiling/copyTimes';
import { parseProfile } from '../../../../src/profiling/parseProfile';
import { summarizeProfile } from '../../../../src/profiling/summarizeProfile';
import { fakeGenerationProfile, fakePlacement, fakeProfile } from '../../../fakes/fakeProfile';
import { fakeGenerate } from '../../../fakes/fakeEngine';
import { makeChat } from '../support';

class FakeDevices implements ProfiledDevices {
  readonly devices = [];
  readonly onSample = new Emitter<TelemetrySample>();
  readonly monitorPid = undefined;
  viewers = 0;

  constructor(readonly recentSamples: readonly TelemetrySample[] = []) {}

  watch(): () => void {
    this.viewers += 1;
    return () => void (this.viewers -= 1);
  }
}

const sampleAt = (timeMs: number): TelemetrySample => ({ timeMs, devices: [{ id: cpuDevice, usedBytes: 5000, totalBytes: 10_000 }] });

function make(recent: readonly TelemetrySample[] = []) {
  const { model } = makeChat();
  const devices = new FakeDevices(recent);
  return { model, devices, service: new ProfilerService({ model, devices, version: '0', nowMs: () => Date.now() }) };
}

const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) {
    await new Promise(setImmediate);
  }
};

describe('ProfilerService', () => {
  it('asks for nothing and keeps nothing until someone looks, and afterwards', async () => {
    const { model, devices, service } = make();
    await model.load('/models/fake-glm4');
    const answer = (): Promise<unknown> => model.generate(fakeGenerate, { onPrefill: () => undefined, onDelta: () => undefined }, new AbortController().signal);
    await answer();
    expect([devices.viewers, model.profilesAnswers, service.profile().generations.length]).toEqual([0, false, 0]);
    service.start();
    service.start();
    await answer();
    devices.onSample.fire(sampleAt(Date.now()));
    expect([devices.viewers, service.profile().generations.length, service.profile().telemetry.length]).toEqual([1, 1, 1]);
    service.end();
    await answer();
    devices.onSample.fire(sampleAt(Date.now()));
    expect([devices.viewers, model.profilesAnswers, service.profile().generations.length, service.profile().telemetry.length]).toEqual([0, false, 0, 0]);
  });

  it('shows the model in memory from when it was loaded, not in readings from before', async () => {
    const before = Date.now() - 60_000;
    const { model, service } = make([sampleAt(before)]);
    await model.load('/models/fake-glm4');
    service.start();
    const { engineMemory } = service.profile();
    expect(engineMemory[0]?.timeMs).toBeGreaterThan(before);
    expect(engineMemory[0]?.devices[0]?.weightBytes).toBe(1000);
  });

  it('measures a generation, its operators and what recording costs, and tells what it is doing', async () => {
    const { model, service } = make();
    await model.load('/models/fake-glm4');
    const told: (string | undefined)[] = [];
    service.onWorking.on((text) => told.push(text));
    expect(await service.measure(new AbortController().signal)).toEqual([]);
    const profile = service.profile();
    expect(profile.operators.map(({ kind }) => kind)).toEqual(['prefill', 'decode']);
    expect(profile.generations).toHaveLength(1);
    expect(profile.forecast).toBeDefined();
    expect(told.at(-1)).toBeUndefined();
    expect(told.filter((text) => text?.startsWith('What profiling costs'))).not.toEqual([]);
  });

  it('refuses to measure without a model, and twice at a time', async () => {
    const { model, service } = make();
    await expect(service.measure(new AbortController().signal)).rejects.toMatchObject({ code: 'no-model' });
    await model.load('/models/fake-glm4');
    const first = service.measure(new AbortController().signal);
    await expect(service.measure(new AbortController().signal)).rejects.toMatchObject({ code: 'profile-busy' });
    await first;
  });

  it('keeps what a cancel left unmeasured from the time before', async () => {
    const { model, service } = make();
    await model.load('/models/fake-glm4');
    await service.measure(new AbortController().signal);
    const controller = new AbortController();
    const cancelled = service.measure(controller.signal, (text) => text.startsWith('Generating') && controller.abort());
    await cancelled;
    expect(service.profile().operators).toHaveLength(2);
  });

  it('ends a measurement when the panel is closed, and keeps nothing of it', async () => {
    const { model, service } = make();
    await model.load('/models/fake-glm4');
    await service.measure(new AbortController().signal, (text) => text.startsWith('Generating') && service.end());
    expect(service.profile()).toMatchObject({ operators: [], generations: [] });
    expect(service.profile().placement).toBeUndefined();
    expect(service.state().working).toBeUndefined();
  });

  it('forgets operators and placement with their model, and tells once for each change, not for each step of a load', async () => {
    const { model, service } = make();
    await model.load('/models/fake-glm4');
    await service.measure(new AbortController().signal);
    await settled();
    let changes = 0;
    service.onMeasured.on(() => (changes += 1));
    await model.unload();
    expect(service.profile()).toMatchObject({ operators: [], bandwidth: [] });
    await model.load('/models/fake-glm4');
    await settled();
    // Gone, loading, there, its placement.
    expect(changes).toBe(4);
  });
});

describe('the profiler\'s panel', () => {
  const written: { readonly name: string; readonly text: string }[] = [];
  const handlersOf = (shown: ShownProfile) =>
    createProfilerHandlers(shown, { profile: fakeProfile, state: () => ({ source: { kind: 'live' }, model: { state: 'none' }, profile: summarizeProfile(fakeProfile()) }) }, {
      saveFile: (suggestedName, _kind, pieces) => {
        written.push({ name: suggestedName, text: [...pieces].join('') });
        return Promise.resolve(suggestedName);
      },
      runCommand: () => Promise.resolve(),
    });
  const signal = new AbortController().signal;

  it('saves what it shows, so that it can be opened again, and a trace', async () => {
    const saved = fakeProfile({ startedAtMs: 1_790_000_000_000, environment: { from: 'a file' } });
    const handlers = handlersOf({ saved: { name: 'other.json', profile: saved, summary: summarizeProfile(saved) } });
    await handlers['profile-export']({ format: 'json' }, signal);
    await handlers['profile-export']({ format: 'trace' }, signal);
    const [json, trace] = written;
    expect(json?.name).toMatch(/^devices-2026-09-21-\d{4}\.glm-profile\.json$/);
    expect(parseProfile(json?.text ?? '', 'x')).toEqual(JSON.parse(JSON.stringify(saved)));
    expect((JSON.parse(trace?.text ?? '') as ChromeTrace).traceEvents.length).toBeGreaterThan(10);
  });

  it('goes back from a file to what is recorded', async () => {
    const shown: ShownProfile = { saved: { name: 'other.json', profile: fakeProfile(), summary: summarizeProfile(fakeProfile()) } };
    const handlers = handlersOf(shown);
    expect(await handlers['view-ready']({}, signal)).toMatchObject({ source: { kind: 'saved', name: 'other.json' } });
    expect(await handlers['live-show']({}, signal)).toMatchObject({ source: { kind: 'live' } });
    expect(shown.saved).toBeUndefined();
  });
});

describe('withCopyTimes', () => {
  const [from, to] = [deviceId('cuda', 0), deviceId('cuda', 1)];
  const placement = { ...fakePlacement, copies: [{ fromStage: 0, toStage: 1, from, to, route: 'peer' as const, bytesPerToken: 8192 }] };
  const withCopies = (...durations: readonly number[]): GenerationProfile => ({ ...fakeGenerationProfile(), spans: durations.map((durationMs, index) => ({ kind: 'copy', startMs: index, durationMs, tokens: 1, bytes: 8192, from, to })) });

  it('puts the median of the last request that copied beside each copy', () => {
    expect(withCopyTimes(placement, [withCopies(9), withCopies(0.1, 0.3, 0.2), fakeGenerationProfile()]).copies[0]?.msPerToken).toBe(0.2);
    expect(withCopyTimes(placement, [fakeGenerationProfile()])).toBe(placement);
  });
});
