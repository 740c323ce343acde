import { describe, expect, it } from 'vitest';
import { cpuDevice } from '../../../../src/common/deviceId';
import { diagnoseReport, type DiagnoseFacts } from '../../../../src/extension/diagnose/diagnoseReport';
import { HostLog } from '../../../../src/extension/log/hostLog';
import { fakeLoadedModel, fakeLoadOptions } from '../../../fakes/fakeEngine';

const facts: DiagnoseFacts = {
  versions: { 'GLM Local': '0.1.0' },
  totalMemoryBytes: 16 * 1024 ** 3,
  trusted: true,
  probe: { devices: [{ id: cpuDevice, kind: 'cpu', name: 'Some CPU', source: 'os', notes: ['no AVX-512'] }] },
  engine: { kind: 'none' },
  lastEngineLines: [],
  alignment: [],
  settings: { 'glm.cacheFolder': '/home/jane/cache' },
  errors: [],
  logTail: [],
  home: '/home/jane',
};

describe('diagnoseReport', () => {
  it('tells devices with what is missing, and n/a for what could not be read', () => {
    expect(diagnoseReport(facts)).toContain('- `cpu` Some CPU: n/a free of n/a, driver n/a, read through os\n  - no AVX-512');
  });

  it('holds the plan against the assignment', () => {
    const stage = { stageIndex: 0, device: cpuDevice, provider: 'cpu', firstLayer: 0, endLayer: 2, hasEmbedding: true, hasHead: true, weightBytes: 2048, kvBytes: 1, activationBytes: 1 } as const;
    const model = { ...fakeLoadedModel, plan: { ...fakeLoadedModel.plan, stages: [stage] }, assignments: [{ stageIndex: 0, device: cpuDevice, provider: 'cpu', nodesByProvider: { CPUExecutionProvider: 12 }, inputMemory: {}, outputMemory: {} }] as const };
    const text = diagnoseReport({ ...facts, engine: { kind: 'ready', options: fakeLoadOptions, model, responsive: false } });
    expect(text).toContain('Stage 0: planned cpu, layers 0–1, 2.0 KiB; assigned cpu (12 nodes on CPUExecutionProvider)');
    expect(text).toContain('not responding');
  });

  it('says when the probe failed', () => {
    expect(diagnoseReport({ ...facts, probe: { devices: [], problem: 'The monitor process ended with exit code 1.' } })).toContain('exit code 1');
  });

  it('writes ~ for the home folder', () => {
    expect(diagnoseReport(facts)).toContain('~/cache');
    expect(diagnoseReport(facts)).not.toContain('jane');
  });
});

describe('HostLog', () => {
  it('keeps no trace lines, since they may hold prompts', () => {
    const written: string[] = [];
    const take = (line: string): void => void written.push(line);
    const log = new HostLog({ trace: take, debug: take, info: take, warn: take, error: take }, () => 0);
    log.log('trace', 'chat', 'my secret prompt');
    log.log('error', 'engine', 'died', { exitCode: 1 });
    expect(written).toHaveLength(2);
    expect(log.tail(10)).toEqual(['1970-01-01T00:00:00.000Z error [engine] died {"exitCode":1}']);
    expect(log.lastErrors()).toEqual(log.tail(1));
  });
});
