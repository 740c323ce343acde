import { describe, expect, it } from 'vitest';
import { measureCase } from '../../../src/bench/runCase';
import { toCsv, toJson, toMarkdown } from '../../../src/bench/report/writers';
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
  it('says that a cache holds the weights instead of giving a share of a limit that is none, and what was loaded', async () => {
    const { cases, ...rest } = await report('a');
    const bandwidth = { copyBytesPerSecond: { cpu: 20e9 }, readBytesPerToken: 1e6, limitTpotMs: 1, fractionOfLimit: 3.1 };
    const load = { contextTokens: 1000, maxBatch: 2, kvCache: 'int8', stages: ['cpu: layers 0 to 3'], threads: 1, accuracyLevel: 4 };
    const withCopy = cases.map((each) => ({ ...each, bandwidth, load }));
    const text = toMarkdown({ ...rest, cases: withCopy });
    expect(text).toContain('| cached |');
    expect(text).toContain('Where the table says "cached", decoding read faster than that');
    expect(text).toContain('- all cases: context 1,000 for 2 sequences, int8 keys and values, cpu: layers 0 to 3, 1 thread, accuracy level 4.');
    expect(toCsv({ ...rest, cases: withCopy })).toContain(',3.1,');
    const near = toMarkdown({ ...rest, cases: cases.map((each) => ({ ...each, bandwidth: { ...bandwidth, fractionOfLimit: 1.1 } })) });
    expect(near).toContain('| 110 % |');
    expect(near).not.toContain('cached');
  });

  it('shows medians, memory in GiB, n/a for what was not measured, the rules and the notes', async () => {
    const text = toMarkdown(await report('a|b'));
    const row = text.split('\n').find((line) => line.includes('a\\|b')) ?? '';
    expect(row).toContain('| baseline | 250.00 | 0.00 | 10.00 | 100.00 | 4.00 | 4.00 | 4.00 | 4.00 | n/a | n/a | cpu 1.0 GiB | glm-local | int4 | cpu | 1 → 2 | 1 | 5 |');
    expect(text).toContain('exactly 2 new, EOS ignored; greedy, seed 0');
    expect(text).toContain('nobody looked at what else used the machine');
    expect(text).toContain('A note.');
  });

  it('judges every case, and prints the rules of each prompt and length once', async () => {
    const one = await report('short');
    const [short] = one.cases;
    if (short === undefined) {
      throw new Error('no case');
    }
    const faster = { ...short, name: 'faster', samples: short.samples.map((sample) => ({ ...sample, decodeTokensPerSecond: 500 })) };
    const long = { ...short, name: 'long', rules: { ...short.rules, promptTokens: 9, promptHash: 'ffff' } };
    const cached = { ...short, name: 'cached', brokenRules: [{ rule: 'cache', explanation: 'it took 5 from its cache' }] };
    const text = toMarkdown({ ...one, before: [], cases: [short, faster, long, cached] });
    expect(text).toMatch(/\| faster \| 2.00 × \(2.00 to 2.00\) \|/);
    expect(text).toMatch(/\| long \| not comparable: prompt \|/);
    expect(text).toMatch(/\| cached \| not comparable: cache \|/);
    expect(text).toContain('- cached: not comparable (cache): it took 5 from its cache.');
    expect(text).toContain('- short; faster; cached: 1 prompt tokens');
    expect(text).toContain('- long: 9 prompt tokens');
    expect(text).toContain('Before: nothing else used the devices.');
  });
});

describe('toJson', () => {
  it('keeps raw samples small and readable again', async () => {
    const [measured] = (await report('a')).cases;
    const long = { ...(await report('a')), cases: [{ ...measured, samples: [{ ...measured?.samples[0], itlMs: [1.23456789, 0.000123456789, 17] }] }] } as BenchmarkReport;
    const text = toJson(long);
    expect(text).toContain('"itlMs": [1.2346,0.000123457,17]');
    expect((JSON.parse(text) as BenchmarkReport).cases[0]?.name).toBe('a');
  });

  it('leaves texts that look like lists alone', async () => {
    const odd = { ...(await report('a')), notes: ['see [ 1, 2 ] and "x"'] };
    expect((JSON.parse(toJson(odd)) as BenchmarkReport).notes).toEqual(odd.notes);
  });
});

describe('toCsv', () => {
  it('quotes what needs it and leaves missing readings empty', async () => {
    const [head, row] = toCsv(await report('say "hi", twice')).trim().split('\r\n');
    expect(head?.split(',')[0]).toBe('case');
    expect(row?.startsWith('"say ""hi"", twice",baseline,250,250,0,142.85714285714286,10,100,4,')).toBe(true);
    expect(row).toContain(',,,cpu 1.0 GiB,1073741824,,,,glm-local,int4,cpu,1 → 2,1,5');
    expect(row?.split(',')).toHaveLength((head?.split(',').length ?? 0) + 1);
  });

  it('shows what all requests make together, where there are several', async () => {
    const single = await report('alone');
    const [alone] = single.cases;
    if (alone === undefined) {
      throw new Error('expected a case');
    }
    const [sample] = alone.samples;
    const rounds = [14, 20, 14, 30, 14, 40].map((totalMs) => ({ ...(sample as NonNullable<typeof sample>), totalMs }));
    const together = { ...alone, name: 'two at once', rules: { ...alone.rules, concurrency: 2 }, samples: rounds };
    const text = toMarkdown({ ...single, cases: [alone, together] });
    // Rounds of two requests of two tokens each end after 20, 30 and 40 ms; alone two tokens take 14 ms.
    expect(text).toContain('all requests tok/s');
    expect(text).toMatch(/\| alone \|.* 142\.86 \|/);
    expect(text).toMatch(/\| two at once \|.* 133\.33 \|/);
    expect(toMarkdown(single)).not.toContain('all requests tok/s');
    expect(toCsv({ ...single, cases: [{ ...together, samples: rounds.slice(1) }] })).toMatch(/all_requests_tokens_per_second[^]*"?two at once"?,/);
  });
});
