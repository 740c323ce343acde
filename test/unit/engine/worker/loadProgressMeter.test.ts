import { describe, expect, it } from 'vitest';
import type { LoadProgress } from '../../../../src/common/protocol/engine';
import { LoadProgressMeter } from '../../../../src/engine/worker/loadProgressMeter';

function make() {
  let now = 0;
  const sent: LoadProgress[] = [];
  const meter = new LoadProgressMeter((progress) => sent.push(progress), () => now);
  return { sent, at: (timeMs: number, doneBytes: number, phase: LoadProgress['phase'] = 'packing') => ((now = timeMs), meter.report({ phase, doneBytes, totalBytes: 1000 })) };
}

describe('LoadProgressMeter', () => {
  it('estimates the time left from its own pace, after a while', () => {
    const { sent, at } = make();
    at(0, 0);
    at(200, 100);
    at(1000, 250);
    expect(sent.map((progress) => progress.remainingMs)).toEqual([undefined, undefined, 3000]);
  });

  it('counts only the bytes of its own phase', () => {
    const { sent, at } = make();
    at(0, 0, 'reading');
    at(1000, 600, 'packing');
    at(2000, 800, 'packing');
    expect(sent.at(-1)).toMatchObject({ phase: 'packing', remainingMs: 1000 });
  });

  it('thins out, but never the first or the last of a phase', () => {
    const { sent, at } = make();
    for (let step = 0; step <= 1000; step += 1) {
      at(step, step);
    }
    at(1001, 0, 'loading');
    expect(sent.length).toBeLessThan(15);
    expect(sent.at(-2)).toMatchObject({ phase: 'packing', doneBytes: 1000 });
    expect(sent.at(-1)).toMatchObject({ phase: 'loading', doneBytes: 0 });
  });

  it('says nothing about the time left when nothing has been done', () => {
    const { sent, at } = make();
    at(0, 0);
    at(5000, 0);
    expect(sent.at(-1)?.remainingMs).toBeUndefined();
  });
});
