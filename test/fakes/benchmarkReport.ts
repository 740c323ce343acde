/** A report with a baseline, a case twice as fast and a server that broke a rule. Figures are round on purpose. */

import { cpuDevice } from '../../src/common/deviceId';
import { summarizeSamples } from '../../src/bench/runSamples';
import { summarize } from '../../src/bench/statistics';
import { reportSchema, type BenchmarkCase, type BenchmarkReport, type RunSample } from '../../src/bench/report/schema';

function caseOf(name: string, decodeTokensPerSecond: number, changes: Partial<BenchmarkCase> = {}): BenchmarkCase {
  const tpotMs = 1000 / decodeTokensPerSecond;
  const samples: readonly RunSample[] = Array.from({ length: 5 }, () => ({
    ttftMs: 100,
    tpotMs,
    itlMs: [tpotMs, tpotMs * 0.9, tpotMs * 1.1],
    totalMs: 200,
    tokenizeMs: 0,
    generatedTokens: 4,
    prefillTokensPerSecond: 5120,
    decodeTokensPerSecond,
    peakMemoryBytes: { cpu: 2 ** 30 },
  }));
  return {
    name,
    model: 'glm-local-demo-chat',
    modelIdentity: '/models/glm-local-demo-chat',
    engine: 'glm-local',
    provider: 'cpu',
    weights: 'int4',
    devices: ['cpu'],
    rules: { promptTokens: 512, newTokens: 4, promptHash: 'abcdef0123456789', eosIgnored: true, sampling: 'greedy', seed: 0, warmupRuns: 1, repetitions: 5, batch: 1, concurrency: 1 },
    samples,
    summaries: summarizeSamples(samples),
    cautions: [],
    bandwidth: { copyBytesPerSecond: { cpu: 20e9 }, readBytesPerToken: 10e6, limitTpotMs: 0.5, fractionOfLimit: 0.5 / tpotMs },
    ...changes,
  };
}

export function benchmarkReport(changes: Partial<BenchmarkReport> = {}): BenchmarkReport {
  return {
    schema: reportSchema,
    scenario: 'others',
    startedAt: '2026-01-01T00:00:00Z',
    elapsedMs: 12_000,
    environment: { extensionVersion: '0.1.0', commit: 'abc1234', runtimeVersion: '1.30.0', nodeVersion: 'v20', platform: 'linux-x64', cpu: 'Test CPU', logicalCores: 2, memoryBytes: 2 ** 34, devices: [{ id: cpuDevice, kind: 'cpu', name: 'Test CPU', source: 'os', notes: [] }] },
    cases: [
      caseOf('transformers (eager), prompt 512, 4 new', 100, { engine: 'transformers 5.17.0 (eager)', weights: 'f32' }),
      caseOf('GLM Local, prompt 512, 4 new', 200),
      caseOf('SGLang, prompt 512, 4 new', 150, { engine: 'SGLang', brokenRules: [{ rule: 'cache', explanation: 'the server took 511 prompt tokens from its cache' }], cautions: ['the server holds "glm" in a format of its own, which is not known here'] }),
    ],
    before: [],
    textTimes: [{ label: 'demo', tokens: 1070, tokenizeMs: summarize([3, 3, 3, 3, 3]) }],
    notes: ['Our times end where a token leaves the engine.'],
    ...changes,
  };
}
