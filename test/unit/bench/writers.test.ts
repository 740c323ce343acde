import { describe, expect, it } from 'vitest';
import { measureCase } from '../../../src/bench/runCase';
import { toCsv, toMarkdown } from '../../../src/bench/report/writers';
import { reportSchema, type BenchmarkReport } from '../../../src/bench/report/schema';

async function report(name: string): Promise<BenchmarkReport> {
  const measured = await measureCase(
    {
      generate: (params) =>
        Promise.resolve({
          generationId: params.generationId,
          ids: [1, 2],
          text: '',
          stopReason: 'length',
          promptTokens: 1,
          reusedTokens: 0,
          ttftMs: 10,
          tpotMs: 4,
          decodeTokensPerSecond: 250,
          prefillTokensPerSecond: 100,
          tokenizeMs: 0,
          totalMs: 14,
          queuedMs: 0,
          peakMemoryBytes: { cpu: 1024 ** 3 },
          tokenTimesMs: [10, 14],
        }),
      forget: () => Promise.resolve(),
    },
    { name, model: 'm', modelIdentity: 'i', provider: 'cpu', weights: 'int4', devices: ['cpu'], promptIds: [1], newTokens: 2, warmupRuns: 0, repetitions: 5, concurrency: 1, ownPids: [] },
  );
  return {
    schema: reportSchema,
    scenario: 'standard',
    startedAt: '2026-01-01T00:00:00Z',
    elapsedMs: 1,
    environment: { extensionVersion: '0.1.0', nodeVersion: '20', platform: 'linux', cpu: 'CPU', logicalCores: 2, memoryBytes: 1, devices: [] },
    cases: [measured],
    notes: ['A note.'],
  };
}

describe('toMarkdown', () => {
  it('shows medians, memory in GiB, n/a for what was not measured, the rules and the notes', async () => {
    const text = toMarkdown(await report('a|b'));
    const row = text.split('\n').find((line) => line.includes('a\\|b')) ?? '';
    expect(row).toContain('| 10.00 | 100.00 | 4.00 | 4.00 | 250.00 | 0.00 | n/a | 1.0 GiB |');
    expect(text).toContain('exactly 2 new tokens with EOS ignored');
    expect(text).toContain('A note.');
  });
});

describe('toCsv', () => {
  it('quotes what needs it and leaves missing readings empty', async () => {
    const [head, row] = toCsv(await report('say "hi", twice')).trim().split('\r\n');
    expect(head?.split(',')[0]).toBe('case');
    expect(row?.startsWith('"say ""hi"", twice",int4,cpu,')).toBe(true);
    expect(row?.endsWith(',,1073741824')).toBe(true);
  });
});
