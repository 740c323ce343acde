import { describe, expect, it } from 'vitest';
import { cpuDevice, deviceId } from '../../../src/common/deviceId';
import type { PhaseSpan } from '../../../src/common/profile';
import { chromeTraceText, toChromeTrace, type ChromeTrace, type TraceEvent } from '../../../src/profiling/chromeTrace';
import { fakeEpochMs, fakeGenerationProfile, fakeOperatorProfile, fakeProfile } from '../../fakes/fakeProfile';

const gpus = [deviceId('cuda', 0), deviceId('cuda', 1)];
const copy: PhaseSpan = { kind: 'copy', startMs: 3, durationMs: 1, bytes: 8192, from: gpus[0], to: gpus[1] };
const generation = fakeGenerationProfile('g7');
const decode = fakeOperatorProfile('decode', 1, 16, 3);
const profile = fakeProfile({
  startedAtMs: fakeEpochMs + 500,
  generations: [{ ...generation, spans: [...generation.spans, copy] }, fakeGenerationProfile('g8')],
  telemetry: gpus.map((id, index) => ({ timeMs: fakeEpochMs + 100 * index, devices: [{ id, usedBytes: 4000, utilizationPercent: 50 + index, powerWatts: index === 0 ? 300 : undefined }] })),
  operators: [{ ...decode, startedAtMs: fakeEpochMs + 1000, nodes: decode.nodes.map((node, index) => ({ ...node, device: gpus[index < 4 ? 0 : 1]! })) }],
});
const { traceEvents, displayTimeUnit } = toChromeTrace(profile);
const nameOf = (kind: string, pid: number, tid?: number): unknown => traceEvents.find((event) => event.ph === 'M' && event.name === kind && event.pid === pid && (tid === undefined || event.tid === tid))?.args?.name;

describe('toChromeTrace', () => {
  it('has the fields that the format asks of each kind of event', () => {
    expect(displayTimeUnit).toBe('ms');
    for (const event of traceEvents) {
      expect(Number.isInteger(event.pid) && Number.isInteger(event.tid), event.name).toBe(true);
      if (event.ph === 'X') {
        expect(event.ts).toBeGreaterThanOrEqual(0);
        expect(event.dur).toBeGreaterThanOrEqual(0);
      } else if (event.ph === 'C') {
        expect(event.ts).toBeGreaterThanOrEqual(0);
        expect(Object.values(event.args ?? {}).every((value) => typeof value === 'number')).toBe(true);
      } else {
        expect(['process_name', 'thread_name', 'process_sort_index']).toContain(event.name);
      }
    }
  });

  it('names every process and thread that has spans, and every process that has counters', () => {
    for (const { ph, pid, tid } of traceEvents) {
      if (ph !== 'M') {
        expect(nameOf('process_name', pid)).toEqual(expect.any(String));
      }
      if (ph === 'X') {
        expect(nameOf('thread_name', pid, tid)).toEqual(expect.any(String));
      }
    }
    expect(traceEvents.flatMap((event) => (event.name === 'process_name' ? [event.args?.name] : []))).toEqual(['Requests', 'Device cuda:0', 'Device cuda:1']);
    expect(nameOf('thread_name', 10, 101)).toBe('decode operators, extra steps (host time)');
  });

  it('counts microseconds from the earliest moment', () => {
    const request = traceEvents.find(({ name }) => name === 'request');
    expect(request).toMatchObject({ ts: 0, dur: generation.totalMs * 1000 });
    expect(traceEvents.find(({ name }) => name === 'copy')).toMatchObject({ ts: 3000, dur: 1000, args: { bytes: 8192, from: 'cuda:0', to: 'cuda:1' } });
    expect(traceEvents.filter(({ name }) => name === 'utilization (%)').map(({ pid, ts, args }) => [pid, ts, args?.value])).toEqual([
      [10, 0, 50],
      [11, 100_000, 51],
    ]);
    // A reading that could not be had is left out, not zero.
    expect(traceEvents.filter(({ name }) => name === 'power (W)')).toHaveLength(1);
    expect(traceEvents.find(({ name }) => name === 'decode step')?.ts).toBe(1_000_000);
  });

  it('keeps spans of a thread either apart or one within the other to the nanosecond, as viewers demand', () => {
    // Times as clocks give them, with more digits than a moment of today in milliseconds has room for.
    const odd = fakeGenerationProfile('g9', 16, 40);
    const factor = 1.000_123_456_7;
    const spans = odd.spans.map((span) => ({ ...span, startMs: span.startMs * factor, durationMs: span.durationMs * factor }));
    const generations = [{ ...odd, submittedAtMs: fakeEpochMs + 0.123_4, totalMs: odd.totalMs * factor, spans }];
    const events = [...traceEvents, ...toChromeTrace({ ...profile, generations }).traceEvents.filter(({ cat }) => cat === 'phase' || cat === 'request').map((event) => ({ ...event, tid: 50 }))];
    const ns = (us = 0): number => Math.round(us * 1000);
    const threads = new Map<string, TraceEvent[]>();
    for (const event of events.filter(({ ph }) => ph === 'X')) {
      const key = `${event.pid} ${event.tid}`;
      threads.set(key, [...(threads.get(key) ?? []), event]);
    }
    for (const lane of threads.values()) {
      const open: number[] = [];
      for (const { ts, dur, name } of lane.sort((a, b) => ns(a.ts) - ns(b.ts) || ns(b.dur) - ns(a.dur))) {
        const end = ns(ts) + ns(dur);
        while (open.length > 0 && open[open.length - 1]! <= ns(ts)) {
          open.pop();
        }
        expect(open.length === 0 || end <= open[open.length - 1]!, name).toBe(true);
        open.push(end);
      }
    }
  });

  it('writes the same in pieces', () => {
    expect(JSON.parse([...chromeTraceText(profile)].join('')) as ChromeTrace).toEqual(JSON.parse(JSON.stringify(toChromeTrace(profile))));
    expect(JSON.parse([...chromeTraceText(fakeProfile({ telemetry: [], engineMemory: [], generations: [], operators: [] }))].join(''))).toMatchObject({ traceEvents: [] });
    const many = fakeProfile({ operators: [fakeOperatorProfile('decode', 1, 0, 1000)] });
    const pieces = [...chromeTraceText(many)];
    expect(pieces.length).toBeGreaterThan(2);
    expect((JSON.parse(pieces.join('')) as ChromeTrace).traceEvents.filter(({ cat }) => cat === 'operator')).toHaveLength(1000 * decode.nodes.length);
  });

  it('puts the CPU\'s memory on its own lanes', () => {
    const counters = toChromeTrace(fakeProfile()).traceEvents.filter(({ name }) => name === 'memory (bytes)');
    expect(counters).toEqual([expect.objectContaining({ args: { weights: 1000, 'KV cache': 100, activations: 50, others: 2850 } })]);
    expect(fakeProfile().telemetry[0]?.devices[0]?.id).toBe(cpuDevice);
  });
});
