/** The contract between the extension host and the profiler's panel. The host records and measures; the view draws. */

import type { DeviceMemoryUse } from '../placement';
import type { GenerationProfile } from '../profile';
import type { Hint, ProfileSummary } from '../profileSummary';
import type { TelemetrySample } from './monitor';

/** The chat's model, which is what gets profiled. */
export interface ProfilerModel {
  readonly state: 'none' | 'loading' | 'ready';
  readonly name?: string;
}

export interface ProfilerState {
  /** `live` grows while one looks; `saved` is a file that was opened. */
  readonly source: { readonly kind: 'live' } | { readonly kind: 'saved'; readonly name: string };
  readonly model: ProfilerModel;
  readonly profile: ProfileSummary;
  /** What is being measured now, in a few words. */
  readonly working?: string;
}

type Empty = Record<string, never>;

export type ProfilerViewContract = {
  requests: {
    'view-ready': { params: Empty; result: ProfilerState };
    /** Starts the command that profiles a generation; resolves when it is done. */
    'generation-profile': { params: Empty; result: Empty };
    'model-load': { params: Empty; result: Empty };
    'chat-show': { params: Empty; result: Empty };
    /** The result names the file, or nothing when the user chose none. */
    'profile-export': { params: { readonly format: 'json' | 'trace' }; result: { readonly fileName?: string } };
    /** Lets the user choose a saved profile; the host then sends `state`. */
    'profile-open': { params: Empty; result: Empty };
    /** Back from a saved profile to what is recorded now. */
    'live-show': { params: Empty; result: ProfilerState };
  };
  events: {
    /** Replaces everything that is shown. */
    state: ProfilerState;
    model: ProfilerModel;
    working: { readonly text?: string };
    'telemetry-sample': TelemetrySample;
    'engine-memory': { readonly timeMs: number; readonly devices: readonly DeviceMemoryUse[] };
    /** Speed of an answer under way. */
    speed: { readonly timeMs: number; readonly tokensPerSecond: number };
    /** The hints are of all that is recorded, this one included. */
    generation: { readonly generation: GenerationProfile; readonly hints: readonly Hint[] };
  };
};
