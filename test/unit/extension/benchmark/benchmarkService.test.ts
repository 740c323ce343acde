import { describe, expect, it } from 'vitest';
import { BenchmarkService } from '../../../../src/extension/benchmark/benchmarkService';
import type { StoredReport } from '../../../../src/extension/benchmark/reportStore';
import { standardScenario } from '../../../../src/bench/scenarios/standard';
import type { MonitorProcess } from '../../../../src/bench/benchmarkMonitor';
import type { BenchmarkEngine } from '../../../../src/bench/runScenario';
import { cpuDevice } from '../../../../src/common/deviceId';
import { fakeLoadedModel, fakeLoadOptions } from '../../../fakes/fakeEngine';
import type { LoadedModel } from '../../../../src/common/protocol/engine';

class FakeMonitor implements MonitorProcess {
  readonly watched: (readonly number[])[] = [];
  isEnded = false;
  readonly request: MonitorProcess['request'] = (method, params) => {
    if (method === 'telemetry-watch') {
      this.watched.push([...(params as { ownPids: readonly number[] }).ownPids]);
    }
    const answers = { 'devices-probe': [{ id: cpuDevice, kind: 'cpu', name: 'CPU', source: 'os', notes: [] }], 'telemetry-watch': {}, 'telemetry-read': { timeMs: 0, devices: [{ id: cpuDevice, utilizationPercent: 2 }] } };
    return Promise.resolve(answers[method] as never);
  };
  on = (): (() => void) => () => undefined;
  end = (): Promise<void> => Promise.resolve(void (this.isEnded = true));
}

interface Setup {
  readonly tpotMs?: () => number;
  readonly onGenerate?: (call: number) => void;
}

function setUp({ tpotMs = () => 2, onGenerate }: Setup = {}) {
  const saved: StoredReport[] = [];
  const monitors: FakeMonitor[] = [];
  let calls = 0;
  const startEngine = (): BenchmarkEngine => ({
    pid: 77,
    request: (method) => Promise.resolve((method === 'model-load' ? ({ ...fakeLoadedModel, plan: { ...fakeLoadedModel.plan, stages: [] } } satisfies LoadedModel) : method === 'tokenize' ? { ids: [1, 2] } : method === 'memory-bandwidth' ? [] : {}) as never),
    on: () => () => undefined,
    generate: (params) => {
      onGenerate?.((calls += 1));
      const count = params.options.maxNewTokens;
      const speed = 1000 / tpotMs();
      return Promise.resolve({ generationId: '', ids: Array.from({ length: count }, () => 1), text: '', stopReason: 'length', promptTokens: 1, reusedTokens: 0, ttftMs: 10, tpotMs: 1000 / speed, decodeTokensPerSecond: speed, prefillTokensPerSecond: 100, tokenizeMs: 0, totalMs: 50, queuedMs: 0, peakMemoryBytes: {} });
    },
    end: () => Promise.resolve(),
  });
  const service = new BenchmarkService({
    startEngine,
    startMonitor: () => {
      const monitor = new FakeMonitor();
      monitors.push(monitor);
      return monitor;
    },
    store: {
      save: (report) => {
        const stored = { id: String(saved.length), report };
        saved.unshift(stored);
        return Promise.resolve(stored);
      },
      list: () => Promise.resolve(saved),
    },
    version: '1',
    nowMs: () => calls,
  });
  return { service, saved, monitors };
}

const run = { scenario: standardScenario(fakeLoadOptions, [{ name: 'short', promptTokens: 4, newTokens: 4, concurrency: 1 }]), settings: { warmupRuns: 1, repetitions: 5 } };

describe('BenchmarkService', () => {
  it('measures with a monitor of its own that knows the engine, and ends it', async () => {
    const { service, saved, monitors } = setUp();
    const { report } = await service.run(run);
    expect(report.cases[0]?.samples).toHaveLength(5);
    expect(report.before).toEqual([]);
    expect(saved).toHaveLength(1);
    expect(monitors[0]?.watched).toEqual([[], [77]]);
    expect(monitors[0]?.isEnded).toBe(true);
  });

  it('notes what moved against the report before, with the reasons, and nothing when nothing moved', async () => {
    let tpotMs = 2;
    const { service } = setUp({ tpotMs: () => tpotMs });
    await service.run(run);
    expect((await service.run(run)).report.notes.join()).not.toContain('moved');
    tpotMs = 4;
    expect((await service.run(run)).report.notes.join()).toMatch(/"short" moved against the report of .*decodeTokensPerSecond -50 %/);
  });

  it('keeps what was measured when it is cancelled, and refuses a second one meanwhile', async () => {
    const controller = new AbortController();
    const { service, saved, monitors } = setUp({ onGenerate: (call) => void (call === 6 && controller.abort()) });
    const first = service.run({ ...run, scenario: standardScenario(fakeLoadOptions), signal: controller.signal });
    await expect(service.run(run)).rejects.toMatchObject({ code: 'bench-busy' });
    expect((await first).report.cases.map((each) => each.name)).toContain('prompt 512, 128 new');
    expect(saved).toHaveLength(1);
    expect(monitors[0]?.isEnded).toBe(true);
  });
});
