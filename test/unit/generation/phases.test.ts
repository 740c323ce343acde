import { describe, expect, it } from 'vitest';
import type { GenerationProfile } from '../../../src/common/profile';
import { defaultLength, greedySampling } from '../../../src/common/sampling';
import { createGenerator } from '../../../src/generation/generator';
import { PhaseRecorder } from '../../../src/profiling/phaseRecorder';
import { phaseTable } from '../../../src/profiling/phaseTable';
import { createFakeRunner, wordTokenizer, type FakeRunnerOptions } from './fakeRunner';

function setUp(options: FakeRunnerOptions = {}) {
  const runner = createFakeRunner({ vocabSize: 40, contextTokens: 200, ...options });
  const generator = createGenerator(runner, wordTokenizer, { nowMs: runner.nowMs, drawSeed: () => 1 });
  const ask = async (promptTokens: number, maxNewTokens: number, signal?: AbortSignal): Promise<GenerationProfile> => {
    const phases = new PhaseRecorder(runner.nowMs);
    phases.begin('queue', false);
    const outcome = await generator.generate({ promptIds: Array.from({ length: promptTokens }, (_, index) => index + 1), options: { ...greedySampling, ...defaultLength, maxNewTokens, ignoreEos: true }, eosIds: [], phases }, {}, signal);
    return phases.finish({ generationId: 'g', submittedAtMs: 0, promptTokens, reusedTokens: outcome.reusedTokens, generatedTokens: outcome.ids.length });
  };
  return { runner, ask };
}

const kindsOf = ({ spans }: GenerationProfile): string[] => spans.map(({ kind }) => kind);
const sumOf = ({ spans }: GenerationProfile, kind: string): number => spans.reduce((sum, span) => sum + (span.kind === kind ? span.durationMs : 0), 0);

describe('phases of a request', () => {
  it('are its chunks, steps and choices, in the order in which they happened', async () => {
    const profile = await setUp().ask(6, 3);
    const choice = ['sample', 'detokenize'];
    expect(kindsOf(profile)).toEqual(['queue', 'prefill', 'prefill', ...choice, 'decode', ...choice, 'decode', ...choice, 'detokenize']);
    // The fake's clock: a millisecond per prompt token, ten per step.
    expect([sumOf(profile, 'prefill'), sumOf(profile, 'decode'), profile.totalMs]).toEqual([6, 20, 26]);
    expect(profile.spans.filter(({ kind }) => kind === 'prefill').map(({ tokens }) => tokens)).toEqual([4, 2]);
  });

  it('count what a request waited for others as waiting: before its slot, and between its own steps', async () => {
    const { ask } = setUp({ maxBatch: 1 });
    const [first, second] = await Promise.all([ask(4, 3), ask(4, 2)]);
    expect(sumOf(first, 'queue')).toBe(0);
    expect(sumOf(second, 'queue')).toBe(first.totalMs);
    const { ask: askBoth } = setUp({ maxBatch: 2 });
    const [long, short] = await Promise.all([askBoth(12, 4), askBoth(3, 4)]);
    for (const profile of [long, short]) {
      expect(phaseTable(profile).covered).toBeCloseTo(1, 9);
    }
    // A chunk of one is no phase of the other.
    expect(sumOf(short, 'prefill')).toBe(3);
    expect(sumOf(short, 'queue')).toBeGreaterThan(0);
    expect(sumOf(long, 'prefill')).toBe(12);
  });

  it('cover a request that was cancelled in the middle of a step', async () => {
    const controller = new AbortController();
    let steps = 0;
    const { ask } = setUp({
      onStep: (step) => {
        steps += step.startsWith('decode') ? 1 : 0;
        if (steps === 3) {
          controller.abort();
        }
      },
    });
    const profile = await ask(4, 50, controller.signal);
    expect(profile.generatedTokens).toBe(3);
    expect(sumOf(profile, 'decode')).toBe(30);
    expect(phaseTable(profile).covered).toBeCloseTo(1, 9);
  });
});
