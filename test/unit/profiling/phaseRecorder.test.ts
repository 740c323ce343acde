import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../src/common/deviceId';
import { PhaseRecorder } from '../../../src/profiling/phaseRecorder';
import { phaseTable } from '../../../src/profiling/phaseTable';

const request = { generationId: 'g', submittedAtMs: 0, promptTokens: 4, reusedTokens: 0, generatedTokens: 2 };

function recorderAt(startMs: number) {
  let now = startMs;
  const recorder = new PhaseRecorder(() => now);
  return { recorder, pass: (ms: number) => (now += ms), now: () => now };
}

describe('PhaseRecorder', () => {
  it('counts the time while others were served as waiting, and other gaps with the phase that follows', () => {
    const { recorder, pass } = recorderAt(100);
    recorder.begin('prefill', false, 4);
    pass(8);
    recorder.end();
    pass(3);
    recorder.begin('decode', true, 1);
    pass(5);
    recorder.end();
    pass(1);
    recorder.begin('decode', false, 1);
    pass(5);
    const { spans, totalMs } = recorder.finish(request);
    expect(totalMs).toBe(22);
    expect(spans).toEqual([
      { kind: 'prefill', startMs: 0, durationMs: 8, tokens: 4 },
      { kind: 'queue', startMs: 8, durationMs: 3 },
      { kind: 'decode', startMs: 11, durationMs: 5, tokens: 1 },
      { kind: 'decode', startMs: 16, durationMs: 6, tokens: 1 },
    ]);
  });

  it('keeps copies of its own steps only, and keeps them within the step', () => {
    const { recorder, pass } = recorderAt(0);
    const copy = { bytes: 8192, from: deviceId('cuda', 0), to: deviceId('cuda', 1) };
    recorder.copy({ startMs: 0, durationMs: 1, ...copy });
    recorder.begin('decode', false, 1);
    pass(4);
    recorder.copy({ startMs: 2, durationMs: 9, ...copy });
    pass(1);
    recorder.end();
    recorder.copy({ startMs: 5, durationMs: 1, ...copy });
    pass(2);
    recorder.begin('sample', false);
    expect(recorder.finish(request).spans).toEqual([
      { kind: 'decode', startMs: 0, durationMs: 5, tokens: 1 },
      { kind: 'copy', startMs: 2, durationMs: 3, ...copy },
      { kind: 'sample', startMs: 5, durationMs: 2 },
    ]);
  });

  it('notes memory only when it changed', () => {
    const { recorder, pass } = recorderAt(10);
    const use = (kvBytes: number) => [{ device: cpuDevice, weightBytes: 1, kvBytes, stagingBytes: 0 }];
    recorder.noteMemory(use(1));
    pass(5);
    recorder.noteMemory(use(1));
    pass(5);
    recorder.noteMemory(use(2));
    expect(recorder.finish(request).memory.map(({ atMs, devices }) => [atMs, devices[0]?.kvBytes])).toEqual([
      [0, 1],
      [10, 2],
    ]);
  });

  it('never overlaps phases and leaves out nothing but what comes after the last one', () => {
    const step = fc.record({ kind: fc.constantFrom('prefill', 'decode', 'sample', 'detokenize' as const), isShared: fc.boolean(), gapMs: fc.double({ min: 0, max: 50, noNaN: true }), ms: fc.double({ min: 0, max: 50, noNaN: true }), ends: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), fc.double({ min: 0, max: 20, noNaN: true }), (steps, tailMs) => {
        const { recorder, pass } = recorderAt(1000);
        let endedBefore = false;
        for (const { kind, isShared, gapMs, ms, ends } of steps) {
          pass(gapMs);
          recorder.begin(kind, isShared, 1);
          pass(ms);
          if (ends) {
            recorder.end();
          }
          endedBefore = ends;
        }
        pass(tailMs);
        const profile = recorder.finish(request);
        let atMs = 0;
        for (const span of profile.spans) {
          expect(span.startMs).toBeCloseTo(atMs, 6);
          expect(span.durationMs).toBeGreaterThanOrEqual(0);
          atMs = span.startMs + span.durationMs;
        }
        expect(atMs).toBeCloseTo(profile.totalMs - (endedBefore ? tailMs : 0), 6);
        expect(phaseTable(profile).rows.reduce((sum, row) => sum + row.totalMs, 0)).toBeCloseTo(atMs, 6);
      }),
    );
  });
});
