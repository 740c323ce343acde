/**
 * A profile as Chrome's trace events, which Perfetto (ui.perfetto.dev) and chrome://tracing open: requests with their phases, devices with counters, operators by device.
 *
 * Times are microseconds since the profile's earliest moment. Processes and threads are lanes with names; nothing of them is a process of the system.
 * @see "Trace Event Format", Google; Perfetto's documentation of external trace formats
 */

import type { DeviceId } from '../common/deviceId';
import type { GenerationProfile, OperatorProfile, PhaseSpan, Profile } from '../common/profile';
import { addsUpTo } from './collectSteps';
import { memorySeries } from './memorySeries';

/** `X` a span, `C` counters, `M` a name. */
export interface TraceEvent {
  readonly ph: 'X' | 'C' | 'M';
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args?: Readonly<Record<string, string | number>>;
}

export interface ChromeTrace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ms';
  readonly otherData: Readonly<Record<string, string>>;
}

export function toChromeTrace(profile: Profile): ChromeTrace {
  return { traceEvents: [...traceEvents(profile)], displayTimeUnit: 'ms', otherData: { schema: profile.schema, ...profile.environment } };
}

/** The text of {@link toChromeTrace} in pieces, for profiles whose whole would be hundreds of megabytes. */
export function* chromeTraceText(profile: Profile): Generator<string> {
  yield `{"displayTimeUnit":"ms","otherData":${JSON.stringify({ schema: profile.schema, ...profile.environment })},"traceEvents":[`;
  let piece: string[] = [];
  let isFirst = true;
  for (const event of traceEvents(profile)) {
    piece.push(`${isFirst ? '' : ','}\n${JSON.stringify(event)}`);
    isFirst = false;
    if (piece.length >= 4096) {
      yield piece.join('');
      piece = [];
    }
  }
  yield `${piece.join('')}\n]}\n`;
}

const requestsPid = 1;
const firstDevicePid = 10;

function* traceEvents(profile: Profile): Generator<TraceEvent> {
  const startMs = earliestMs(profile);
  const us = (timeMs: number): number => (timeMs - startMs) * 1000;
  const devices = devicesOf(profile);
  const pidOf = (device: DeviceId): number => firstDevicePid + devices.indexOf(device);
  if (profile.generations.length > 0) {
    yield* nameProcess(requestsPid, 'Requests');
  }
  for (const [index, generation] of profile.generations.entries()) {
    yield* requestEvents(generation, index + 1, us);
  }
  for (const device of devices) {
    yield* nameProcess(pidOf(device), `Device ${device}`);
  }
  yield* counterEvents(profile, pidOf, us);
  for (const [index, operators] of profile.operators.entries()) {
    yield* operatorEvents(operators, index + 1, us(operators.startedAtMs ?? latestMs(profile)), pidOf);
  }
}

function* requestEvents(generation: GenerationProfile, tid: number, us: (timeMs: number) => number): Generator<TraceEvent> {
  const { generationId, submittedAtMs, totalMs, promptTokens, reusedTokens, generatedTokens } = generation;
  yield { ph: 'M', name: 'thread_name', pid: requestsPid, tid, args: { name: `Request ${generationId}` } };
  const startUs = us(submittedAtMs);
  yield { ph: 'X', name: 'request', cat: 'request', pid: requestsPid, tid, ...extent(startUs, totalMs * 1000), args: { promptTokens, reusedTokens, generatedTokens, clock: generation.clock ?? 'host' } };
  for (const span of generation.spans) {
    // Added to the request's own start: milliseconds since the epoch leave no digits for a microsecond.
    yield { ph: 'X', name: span.kind, cat: 'phase', pid: requestsPid, tid, ...extent(startUs + span.startMs * 1000, span.durationMs * 1000), args: spanFacts(span) };
  }
}

/** In whole nanoseconds, start and end alike, so that a span that begins where another ends does not overlap it: viewers take that for an error. */
function extent(startUs: number, durationUs: number): Required<Pick<TraceEvent, 'ts' | 'dur'>> {
  const [start, end] = [Math.round(startUs * 1000), Math.round((startUs + durationUs) * 1000)];
  return { ts: start / 1000, dur: (end - start) / 1000 };
}

function spanFacts({ tokens, bytes, from, to, clock }: PhaseSpan): Readonly<Record<string, string | number>> {
  return { ...(tokens === undefined ? {} : { tokens }), ...(bytes === undefined ? {} : { bytes }), ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }), ...(clock === undefined ? {} : { clock }) };
}

function* counterEvents({ telemetry, engineMemory }: Profile, pidOf: (device: DeviceId) => number, us: (timeMs: number) => number): Generator<TraceEvent> {
  for (const { device, points } of memorySeries(telemetry, engineMemory)) {
    for (const { timeMs, weightBytes, kvBytes, activationBytes, otherBytes } of points) {
      yield { ph: 'C', name: 'memory (bytes)', pid: pidOf(device), tid: 0, ts: us(timeMs), args: { weights: weightBytes, 'KV cache': kvBytes, activations: activationBytes, ...(otherBytes === undefined ? {} : { others: otherBytes }) } };
    }
  }
  for (const { timeMs, devices } of telemetry) {
    for (const { id, utilizationPercent, powerWatts } of devices) {
      const counter = (name: string, value: number | undefined): TraceEvent[] => (value === undefined ? [] : [{ ph: 'C', name, pid: pidOf(id), tid: 0, ts: us(timeMs), args: { value } }]);
      yield* counter('utilization (%)', utilizationPercent);
      yield* counter('power (W)', powerWatts);
    }
  }
}

/** Steps on one lane per device, their nodes within. */
function* operatorEvents(profile: OperatorProfile, order: number, startUs: number, pidOf: (device: DeviceId) => number): Generator<TraceEvent> {
  const { kind, tokens, mode, nodes, steps, startsUs, durationsUs } = profile;
  const isDeviceTime = profile.clock === 'device' && (profile.plainStepMs === undefined || addsUpTo(profile, profile.plainStepMs));
  const lane = `${kind} operators${mode === 'extra' ? ', extra steps' : ''} (${isDeviceTime ? 'device time' : 'host time'})`;
  const [tid, pids] = [100 + order, new Set(nodes.map(({ device }) => pidOf(device)))];
  for (const pid of pids) {
    yield { ph: 'M', name: 'thread_name', pid, tid, args: { name: lane } };
  }
  for (const [step, { startMs, durationMs }] of steps.entries()) {
    for (const pid of pids) {
      yield { ph: 'X', name: `${kind} step`, cat: 'step', pid, tid, ...extent(startUs + startMs * 1000, durationMs * 1000), args: { tokens, step } };
    }
    for (const [index, node] of nodes.entries()) {
      const dur = durationsUs[step * nodes.length + index] ?? -1;
      if (dur >= 0) {
        const { name, opType, provider, layer, bytes, device } = node;
        yield {
          ph: 'X',
          name: opType,
          cat: 'operator',
          pid: pidOf(device),
          tid,
          ...extent(startUs + (startsUs[step * nodes.length + index] ?? 0), dur),
          args: { node: name, provider, ...(layer === undefined ? {} : { layer }), ...(bytes === undefined ? {} : { bytes }) },
        };
      }
    }
  }
}

function* nameProcess(pid: number, name: string): Generator<TraceEvent> {
  yield { ph: 'M', name: 'process_name', pid, tid: 0, args: { name } };
  yield { ph: 'M', name: 'process_sort_index', pid, tid: 0, args: { sort_index: pid } };
}

function devicesOf({ telemetry, operators }: Profile): readonly DeviceId[] {
  return [...new Set([...telemetry.flatMap(({ devices }) => devices.map(({ id }) => id)), ...operators.flatMap(({ nodes }) => nodes.map(({ device }) => device))])];
}

function earliestMs(profile: Profile): number {
  return moments(profile).reduce((least, timeMs) => Math.min(least, timeMs), profile.startedAtMs);
}

function latestMs(profile: Profile): number {
  return moments(profile).reduce((most, timeMs) => Math.max(most, timeMs), profile.startedAtMs);
}

function moments({ telemetry, generations, operators }: Profile): readonly number[] {
  return [
    ...telemetry.map(({ timeMs }) => timeMs),
    ...generations.flatMap(({ submittedAtMs, totalMs }) => [submittedAtMs, submittedAtMs + totalMs]),
    ...operators.flatMap(({ startedAtMs }) => (startedAtMs === undefined ? [] : [startedAtMs])),
  ];
}
