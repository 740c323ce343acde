import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../src/common/deviceId';
import { addsUpTo, collectSteps, hasDeviceTimes } from '../../../src/profiling/collectSteps';
import { median, medianNodeUs } from '../../../src/profiling/nodeTimes';
import { operatorTable } from '../../../src/profiling/operatorTable';
import { partTimes } from '../../../src/profiling/partTimes';
import { parseRuntimeTrace } from '../../../src/profiling/runtimeTrace';
import { fakeOperatorProfile } from '../../fakes/fakeProfile';

const decode = fakeOperatorProfile('decode', 1, 16, 5);
const gpu = deviceId('cuda', 0);
const onGpu = { ...decode, nodes: decode.nodes.map((node) => ({ ...node, device: gpu })) };

describe('operatorTable', () => {
  it('sums nodes by operator and by layer', () => {
    const table = operatorTable(decode, [{ device: cpuDevice, bytesPerSecond: 2e9 }]);
    expect(table.byType.map(({ label, numNodes, ms, bytes }) => [label, numNodes, Number(ms.toFixed(6)), bytes])).toEqual([
      ['MatMulNBits', 5, 0.18, 180_000],
      ['GroupQueryAttention', 2, 0.008, 8000],
      ['Gather', 1, 0.001, 256],
    ]);
    expect(table.byLayer.map(({ label, ms }) => [label, Number(ms.toFixed(6))])).toEqual([
      ['embedding', 0.001],
      ['layer 0', 0.064],
      ['layer 1', 0.064],
      ['head', 0.06],
    ]);
    expect(table.byNode[0]).toMatchObject({ label: '/lm_head', ms: 0.06, bytesPerSecond: 1e9, bandwidthFraction: 0.5, flopsPerSecond: 4e9 });
    expect(table.byType.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
    expect(table.stepMs).toBeCloseTo(0.189, 9);
  });

  it('calls times the device\'s only when it was the clock and they add up to the step within 10 %', () => {
    expect(operatorTable({ ...onGpu, clock: 'device' })).toMatchObject({ clock: 'device time' });
    expect(operatorTable({ ...onGpu, clock: 'device', plainStepMs: 0.189 / 1.09 })).toMatchObject({ clock: 'device time' });
    const off = operatorTable({ ...onGpu, clock: 'device', plainStepMs: 0.189 / 1.12 });
    expect(off.clock).toBe('host time');
    expect(off.note).toContain('112 %');
    expect(off.byType[0]?.bytesPerSecond).toBeUndefined();
  });

  it('says what the device\'s clock gave where its times are not shown because they do not add up', () => {
    const table = operatorTable({ ...onGpu, plainStepMs: 0.2, deviceNodesMs: 0.15 });
    expect(table).toMatchObject({ clock: 'host time', note: expect.stringContaining('by the device\'s own clock 75 %') as string });
    expect(operatorTable({ ...onGpu, plainStepMs: 0.2 }).note).not.toContain('own clock');
  });

  it('gives no rates for what the host timed on a GPU, but does on the CPU', () => {
    const rates = [{ device: gpu, bytesPerSecond: 1e12 }];
    expect(operatorTable(onGpu, rates).byType.every(({ bytesPerSecond, bandwidthFraction }) => bytesPerSecond === undefined && bandwidthFraction === undefined)).toBe(true);
    expect(operatorTable(onGpu, rates)).toMatchObject({ clock: 'host time', note: expect.stringContaining('queued') as string });
    expect(operatorTable(decode)).toMatchObject({ clock: 'host time', note: expect.stringContaining('which is the device here') as string });
    expect(operatorTable(decode).byType[0]).toMatchObject({ bytesPerSecond: 1e9 });
  });

  it('tells nothing of nodes that never ran', () => {
    const durationsUs = decode.durationsUs.map((us, index) => (index % decode.nodes.length === 0 ? -1 : us));
    const table = operatorTable({ ...decode, durationsUs });
    expect(table.byNode.some(({ label }) => label === '/embedding')).toBe(false);
    expect(medianNodeUs({ ...decode, durationsUs })[0]).toBeUndefined();
    expect(partTimes([{ ...decode, durationsUs }])({ part: 'embedding' })).toEqual({});
  });

  it('adds up to the same, whatever the times are', () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: decode.nodes.length, maxLength: decode.nodes.length }), { minLength: 1, maxLength: 6 }), (rows) => {
        const table = operatorTable({ ...decode, steps: rows.map((_, step) => ({ startMs: step, durationMs: 1 })), startsUs: rows.flat().map(() => 0), durationsUs: rows.flat() });
        const total = table.nodesMs;
        const sum = (list: readonly { readonly ms: number }[]): number => list.reduce((all, { ms }) => all + ms, 0);
        for (const list of [table.byType, table.byLayer, table.byNode]) {
          expect(sum(list)).toBeCloseTo(total, 5);
        }
        const parts = partTimes([{ ...decode, steps: rows.map((_, step) => ({ startMs: step, durationMs: 1 })), durationsUs: rows.flat() }]);
        const all = [parts({ part: 'embedding' }), parts({ part: 'layer', layer: 0 }), parts({ part: 'layer', layer: 1 }), parts({ part: 'head' })];
        expect(all.reduce((ms, part) => ms + (part.decodeMs ?? 0), 0)).toBeCloseTo(total, 5);
      }),
    );
  });

  it('takes the middle of an odd and the mean of the middle two of an even number', () => {
    expect([median([3, 1, 2]), median([4, 1, 3, 2]), median(new Float64Array([9]))]).toEqual([2, 2.5, 9]);
  });
});

const event = (cat: string, name: string, ts: number, dur: number, args: object = {}): object => ({ cat, pid: 1, tid: 2, dur, ts, ph: 'X', name, args });
const nodeEvent = (name: string, ts: number, dur: number): object => event('Node', `${name}_kernel_time`, ts, dur, { op_name: 'Add', provider: 'CPUExecutionProvider' });

describe('a trace of the runtime', () => {
  it('gives its nodes in the order in which they ran, and the run', () => {
    const trace = parseRuntimeTrace(JSON.stringify([nodeEvent('b', 40, 5), nodeEvent('a', 10, 20), event('Session', 'model_run', 0, 60), { odd: true }, null]));
    expect(trace).toEqual({
      runUs: 60,
      nodes: [
        { name: 'a', opType: 'Add', provider: 'CPUExecutionProvider', startUs: 10, durationUs: 20 },
        { name: 'b', opType: 'Add', provider: 'CPUExecutionProvider', startUs: 40, durationUs: 5 },
      ],
    });
  });

  it('gives the adapter\'s times where shaders were timed: the kernels of a node added up, none for a node without', () => {
    const { nodes } = parseRuntimeTrace(JSON.stringify([nodeEvent('a', 1, 2), nodeEvent('b', 3, 2), nodeEvent('c', 5, 1), event('Api', 'a&Add&Add', 500, 30), event('Api', 'b&Att&One', 530, 10), event('Api', 'b&Att&Two', 541, 11)]));
    expect(nodes.map(({ device }) => device)).toEqual([
      { startUs: 0, durationUs: 30, kernels: [{ name: 'Add', startUs: 0, durationUs: 30 }] },
      { startUs: 30, durationUs: 21, kernels: [{ name: 'One', startUs: 30, durationUs: 10 }, { name: 'Two', startUs: 41, durationUs: 11 }] },
      { startUs: 0, durationUs: 0, kernels: [] },
    ]);
  });

  it.each(['', '{}', '[]', '[1', '[{"cat":"Node"}]'])('that is none is refused: %s', (text) => {
    expect(() => parseRuntimeTrace(text)).toThrowError(expect.objectContaining({ code: 'operator-trace-unreadable' }) as Error);
  });
});

describe('collectSteps', () => {
  const trace = (...nodes: readonly (readonly [string, number, number])[]) => parseRuntimeTrace(JSON.stringify([...nodes.map(([name, ts, dur]) => nodeEvent(name, ts, dur)), event('Session', 'model_run', 0, 100)]));
  const describeNode = (node: { name: string; opType: string; provider: string }, stageIndex: number) => ({ ...node, stageIndex, device: cpuDevice });

  it('lays stages one after the other and steps side by side, with -1 for what did not run', () => {
    const steps = [
      { startMs: 5, stages: [trace(['x', 1, 10]), trace(['x', 2, 20], ['y', 30, 5])] },
      { startMs: 6, stages: [trace(['x', 1, 11]), trace(['x', 2, 21])] },
    ];
    expect(collectSteps(steps, 'host', describeNode)).toMatchObject({
      nodes: [{ name: 'x', stageIndex: 0 }, { name: 'x', stageIndex: 1 }, { name: 'y', stageIndex: 1 }],
      steps: [{ startMs: 0, durationMs: 0.2 }, { startMs: 1, durationMs: 0.2 }],
      startsUs: [1, 102, 130, 1001, 1102, -1],
      durationsUs: [10, 20, 5, 11, 21, -1],
    });
    expect(hasDeviceTimes(steps)).toBe(false);
  });

  it('tells apart nodes of one name in a step', () => {
    expect(collectSteps([{ startMs: 0, stages: [trace(['x', 1, 10], ['x', 20, 7])] }], 'host', describeNode).durationsUs).toEqual([10, 7]);
  });

  it('knows whether nodes add up to a step', () => {
    const collected = { nodes: [decode.nodes[0]!], steps: [1, 2, 3].map((startMs) => ({ startMs, durationMs: 1 })), durationsUs: [900, 1000, 5000] };
    expect([addsUpTo(collected, 1), addsUpTo(collected, 0.92), addsUpTo(collected, 0.89), addsUpTo(collected, 1.12)]).toEqual([true, true, false, false]);
  });
});
