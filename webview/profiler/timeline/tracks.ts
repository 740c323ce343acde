/** From a profile to what the timeline draws: columns of numbers on one time axis. Pure. */

import { formatBytes } from '../../../src/common/byteFormat';
import type { PhaseKind, PhaseSpan, Profile } from '../../../src/common/profile';
import type { DeviceReading } from '../../../src/common/protocol/monitor';
import { memorySeries } from '../../../src/profiling/memorySeries';
import { formatDuration, formatPercent, formatSpeed } from '../../common/numberFormat';

/** A colour of the theme, by meaning. */
export type Tone = 'weights' | 'kv' | 'activations' | 'others' | 'line' | PhaseKind;

export interface Series {
  readonly label: string;
  readonly tone: Tone;
  /** NaN where there was no reading. */
  readonly values: Float64Array;
}

/** `stack` adds its series up; `line` draws each. */
export interface CurveTrack {
  readonly kind: 'stack' | 'line';
  readonly id: string;
  readonly title: string;
  readonly times: Float64Array;
  readonly series: readonly Series[];
  /** Top of the scale, where it is known: all of a device's memory, 100 %. */
  readonly top?: number;
  readonly format: (value: number | undefined) => string;
}

export interface LaneTrack {
  readonly kind: 'lane';
  readonly id: string;
  readonly title: string;
  readonly tone: Tone;
  /** Ascending. */
  readonly starts: Float64Array;
  readonly ends: Float64Array;
  readonly describe: (index: number) => string;
}

export type Track = CurveTrack | LaneTrack;

export interface SpeedPoint {
  readonly timeMs: number;
  readonly tokensPerSecond: number;
}

export type TimelineData = Pick<Profile, 'telemetry' | 'engineMemory' | 'generations'> & { readonly speeds: readonly SpeedPoint[] };

const phaseTitles: Readonly<Record<PhaseKind, string>> = {
  queue: 'Queue',
  tokenize: 'Tokenize',
  prefill: 'Prefill chunks',
  decode: 'Decode steps',
  copy: 'Copies',
  sample: 'Sampling',
  detokenize: 'Detokenize',
};

export const phaseTitle = (kind: PhaseKind): string => phaseTitles[kind];

/** So much of an answer goes into one point of its speed. */
const speedBinMs = 250;

export function buildTracks(data: TimelineData): readonly Track[] {
  return [...deviceTracks(data), ...speedTrack(data), ...phaseLanes(data)];
}

/** From the first to the last moment of what is recorded; undefined where nothing is. */
export function extentOf({ telemetry, generations }: Pick<TimelineData, 'telemetry' | 'generations'>): { readonly startMs: number; readonly endMs: number } | undefined {
  const starts = [...telemetry.slice(0, 1).map((sample) => sample.timeMs), ...generations.map((generation) => generation.submittedAtMs)];
  const ends = [...telemetry.slice(-1).map((sample) => sample.timeMs), ...generations.map((generation) => generation.submittedAtMs + generation.totalMs)];
  return starts.length === 0 ? undefined : { startMs: Math.min(...starts), endMs: Math.max(...ends) };
}

function deviceTracks({ telemetry, engineMemory }: TimelineData): readonly Track[] {
  return memorySeries(telemetry, engineMemory).flatMap(({ device, points }): Track[] => {
    const times = Float64Array.from(points, (point) => point.timeMs);
    const column = (label: string, tone: Tone, of: (point: (typeof points)[number]) => number | undefined): Series => ({ label, tone, values: Float64Array.from(points, (point) => of(point) ?? NaN) });
    const top = points.reduce((most, { totalBytes = 0 }) => Math.max(most, totalBytes), 0);
    const memory: CurveTrack = {
      kind: 'stack',
      id: `${device}-memory`,
      title: `${device} memory`,
      times,
      series: [
        column('weights', 'weights', (point) => point.weightBytes),
        column('KV cache', 'kv', (point) => point.kvBytes),
        column('activations', 'activations', (point) => point.activationBytes),
        column('others', 'others', (point) => point.otherBytes),
      ],
      ...(top > 0 ? { top } : {}),
      format: formatBytes,
    };
    const reading = (label: string, of: (reading: DeviceReading) => number | undefined): Series => ({
      label,
      tone: 'line',
      values: Float64Array.from(telemetry, (sample) => {
        const found = sample.devices.find((each) => each.id === device);
        return found === undefined ? NaN : (of(found) ?? NaN);
      }),
    });
    const sampleTimes = Float64Array.from(telemetry, (sample) => sample.timeMs);
    const line = (id: string, title: string, of: (reading: DeviceReading) => number | undefined, format: CurveTrack['format'], lineTop?: number): CurveTrack[] => {
      const series = reading(title, of);
      return series.values.some((value) => !Number.isNaN(value)) ? [{ kind: 'line', id: `${device}-${id}`, title: `${device} ${title}`, times: sampleTimes, series: [series], ...(lineTop === undefined ? {} : { top: lineTop }), format }] : [];
    };
    const powerTop = telemetry.reduce((most, sample) => Math.max(most, sample.devices.find((each) => each.id === device)?.powerLimitWatts ?? 0), 0);
    return [
      memory,
      ...line('utilization', 'utilisation', (each) => each.utilizationPercent, formatPercent, 100),
      ...line('power', 'power', (each) => each.powerWatts, (watts) => (watts === undefined ? 'n/a' : `${watts.toFixed(0)} W`), powerTop > 0 ? powerTop : undefined),
    ];
  });
}

function speedTrack({ generations, speeds }: TimelineData): readonly CurveTrack[] {
  const points: (readonly [number, number])[] = [];
  for (const { submittedAtMs, spans } of generations) {
    let first: PhaseSpan | undefined;
    let tokens = 0;
    for (const span of spans) {
      if (span.kind === 'decode') {
        first ??= span;
        tokens += span.tokens ?? 1;
        const endMs = span.startMs + span.durationMs;
        if (endMs - first.startMs >= speedBinMs) {
          points.push([submittedAtMs + endMs, (1000 * tokens) / (endMs - first.startMs)]);
          first = undefined;
          tokens = 0;
        }
      }
    }
    const last = spans.filter((span) => span.kind === 'decode').at(-1);
    if (first !== undefined && last !== undefined && last.startMs + last.durationMs > first.startMs) {
      points.push([submittedAtMs + last.startMs + last.durationMs, (1000 * tokens) / (last.startMs + last.durationMs - first.startMs)]);
    }
    if (last !== undefined) {
      // A gap: between answers there is no speed, rather than one of 0.
      points.push([submittedAtMs + last.startMs + last.durationMs + 1, NaN]);
    }
  }
  const knownUntilMs = points.reduce((most, [timeMs]) => Math.max(most, timeMs), -Infinity);
  points.push(...speeds.filter(({ timeMs }) => timeMs > knownUntilMs).map(({ timeMs, tokensPerSecond }) => [timeMs, tokensPerSecond] as const));
  points.sort((a, b) => a[0] - b[0]);
  return points.length === 0
    ? []
    : [
        {
          kind: 'line',
          id: 'speed',
          title: 'tokens/s',
          times: Float64Array.from(points, ([timeMs]) => timeMs),
          series: [{ label: 'tokens/s', tone: 'line', values: Float64Array.from(points, ([, speed]) => speed) }],
          format: (value) => (value === undefined ? 'n/a' : formatSpeed(value)),
        },
      ];
}

function phaseLanes({ generations }: TimelineData): readonly LaneTrack[] {
  const byKind = new Map<PhaseKind, { readonly span: PhaseSpan; readonly startMs: number }[]>();
  for (const { submittedAtMs, spans } of generations) {
    for (const span of spans) {
      const lane = byKind.get(span.kind) ?? [];
      byKind.set(span.kind, lane);
      lane.push({ span, startMs: submittedAtMs + span.startMs });
    }
  }
  return (Object.keys(phaseTitles) as PhaseKind[]).flatMap((kind): LaneTrack[] => {
    const lane = byKind.get(kind)?.sort((a, b) => a.startMs - b.startMs);
    return lane === undefined
      ? []
      : [
          {
            kind: 'lane',
            id: `phase-${kind}`,
            title: phaseTitles[kind],
            tone: kind,
            starts: Float64Array.from(lane, ({ startMs }) => startMs),
            ends: Float64Array.from(lane, ({ startMs, span }) => startMs + span.durationMs),
            describe: (index) => describeSpan(lane[index]?.span),
          },
        ];
  });
}

function describeSpan(span: PhaseSpan | undefined): string {
  if (span === undefined) {
    return '';
  }
  const parts = [
    formatDuration(span.durationMs),
    ...(span.tokens === undefined ? [] : [`${span.tokens} ${span.tokens === 1 ? 'token' : 'tokens'}`]),
    ...(span.bytes === undefined ? [] : [formatBytes(span.bytes)]),
    ...(span.from === undefined || span.to === undefined ? [] : [`${span.from} to ${span.to}`]),
  ];
  return parts.join(', ');
}
