import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RingBuffer } from '../../../../src/devices/telemetry/ringBuffer';

describe('RingBuffer', () => {
  it('holds what an array cut to its last values holds, through pushes and clears', () => {
    const action = fc.oneof({ weight: 20, arbitrary: fc.integer() }, { weight: 1, arbitrary: fc.constant('clear' as const) });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.array(action, { maxLength: 60 }), (capacity, actions) => {
        const ring = new RingBuffer<number>(capacity);
        let model: number[] = [];
        for (const one of actions) {
          if (one === 'clear') {
            ring.clear();
            model = [];
          } else {
            ring.push(one);
            model = [...model, one].slice(-capacity);
          }
          expect(ring.toArray()).toEqual(model);
          expect(ring.length).toBe(model.length);
          expect(ring.last).toBe(model.at(-1));
        }
      }),
    );
  });

  it('refuses a capacity that holds nothing', () => {
    expect(() => new RingBuffer(0)).toThrow('Expected a capacity of at least 1, got 0.');
  });
});
