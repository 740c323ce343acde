/** Times the phases of one request while it runs. Made only for requests that are profiled: for the others there is nothing to call. */

import type { DeviceMemoryUse } from '../common/placement';
import type { GenerationProfile, PhaseSpan } from '../common/profile';

type SpanKind = Exclude<PhaseSpan['kind'], 'copy'>;

/** A copy between two stages' devices, on the clock of {@link PhaseRecorder}. */
export interface TimedCopy extends Pick<PhaseSpan, 'bytes' | 'from' | 'to' | 'tokens' | 'clock'> {
  readonly startMs: number;
  readonly durationMs: number;
}

/** Shorter gaps between phases are a few function calls, not a wait. */
const shortestWaitMs = 0.02;

export class PhaseRecorder {
  private readonly spans: PhaseSpan[] = [];
  private readonly memory: { readonly atMs: number; readonly devices: readonly DeviceMemoryUse[] }[] = [];
  private readonly submitMs: number;
  private lastMemory = '';
  private open: { readonly kind: SpanKind; readonly startMs: number; readonly tokens?: number } | undefined;
  private copies: TimedCopy[] = [];
  /** Where the last phase ended. */
  private cursorMs: number;

  /** @param nowMs  A monotonic clock; the request counts as submitted now. */
  constructor(private readonly nowMs: () => number) {
    this.submitMs = nowMs();
    this.cursorMs = this.submitMs;
  }

  /** @see PhaseTrace of src/generation/phaseTrace.ts */
  begin(kind: SpanKind, isShared: boolean, tokens?: number): void {
    const now = this.nowMs();
    if (this.open !== undefined) {
      this.close(now);
    }
    const isWait = isShared && now - this.cursorMs >= shortestWaitMs;
    if (isWait) {
      this.add('queue', this.cursorMs, now);
    }
    this.open = { kind, startMs: isWait ? now : this.cursorMs, ...(tokens === undefined ? {} : { tokens }) };
    // What was copied while others were served is not this request's.
    this.copies = [];
  }

  end(): void {
    this.close(this.nowMs());
  }

  /** Notes a copy of the step under way; without one it belongs to another request. */
  copy(copy: TimedCopy): void {
    if (this.open?.kind === 'prefill' || this.open?.kind === 'decode') {
      this.copies.push(copy);
    }
  }

  /** Keeps a reading when it differs from the last one. */
  noteMemory(devices: readonly DeviceMemoryUse[]): void {
    const text = JSON.stringify(devices);
    if (text !== this.lastMemory) {
      this.lastMemory = text;
      this.memory.push({ atMs: this.nowMs() - this.submitMs, devices });
    }
  }

  /** What was timed so far; a phase that is open, as a cancel leaves it, ends now. */
  finish(request: Pick<GenerationProfile, 'generationId' | 'submittedAtMs' | 'promptTokens' | 'reusedTokens' | 'generatedTokens'>): GenerationProfile {
    const now = this.nowMs();
    if (this.open !== undefined) {
      this.close(now);
    }
    return { ...request, totalMs: now - this.submitMs, clock: 'host', spans: this.spans, memory: this.memory };
  }

  private close(now: number): void {
    if (this.open === undefined) {
      return;
    }
    const { kind, startMs, tokens } = this.open;
    this.add(kind, startMs, now, tokens);
    for (const copy of this.copies) {
      // A device's clock has its own idea of the moment: a copy is shown within its step.
      const start = Math.min(Math.max(copy.startMs, startMs), now);
      this.spans.push({ kind: 'copy', ...copy, startMs: start - this.submitMs, durationMs: Math.min(copy.durationMs, now - start) });
    }
    this.copies = [];
    this.open = undefined;
    this.cursorMs = now;
  }

  private add(kind: SpanKind, startMs: number, endMs: number, tokens?: number): void {
    this.spans.push({ kind, startMs: startMs - this.submitMs, durationMs: endMs - startMs, ...(tokens === undefined ? {} : { tokens }) });
    this.cursorMs = endMs;
  }
}
