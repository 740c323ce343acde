/** Keeps what a profile is made of while it happens: the last ten minutes of readings and the last generations, no more. */

import type { DeviceMemoryUse } from '../common/placement';
import type { GenerationProfile, Profile } from '../common/profile';
import type { TelemetrySample } from '../common/protocol/monitor';

export interface RecorderLimits {
  readonly keptMs: number;
  /** Whatever the rate of the samples. */
  readonly mostSamples: number;
  readonly mostGenerations: number;
}

const usualLimits: RecorderLimits = { keptMs: 600_000, mostSamples: 3000, mostGenerations: 20 };

export class ProfileRecorder {
  private telemetry: TelemetrySample[] = [];
  private engineMemory: { readonly timeMs: number; readonly devices: readonly DeviceMemoryUse[] }[] = [];
  private generations: GenerationProfile[] = [];

  constructor(private readonly limits: RecorderLimits = usualLimits) {}

  addSample(sample: TelemetrySample): void {
    this.telemetry.push(sample);
    const { keptMs, mostSamples } = this.limits;
    this.telemetry = dropOld(this.telemetry, sample.timeMs - keptMs, mostSamples);
    const oldest = this.telemetry[0]?.timeMs ?? sample.timeMs;
    // The last report before the oldest sample says what was held then.
    const firstNeeded = this.engineMemory.reduce((first, { timeMs }, index) => (timeMs <= oldest ? index : first), 0);
    this.engineMemory = this.engineMemory.slice(firstNeeded);
  }

  addEngineMemory(timeMs: number, devices: readonly DeviceMemoryUse[]): void {
    this.engineMemory.push({ timeMs, devices });
    this.engineMemory = this.engineMemory.slice(-this.limits.mostSamples);
  }

  /** Also keeps the memory readings that the request brings. */
  addGeneration(generation: GenerationProfile): void {
    generation.memory.forEach(({ atMs, devices }) => this.engineMemory.push({ timeMs: generation.submittedAtMs + atMs, devices }));
    this.engineMemory = this.engineMemory.sort((a, b) => a.timeMs - b.timeMs).slice(-this.limits.mostSamples);
    this.generations = [...this.generations, generation].slice(-this.limits.mostGenerations);
  }

  /** What is kept now; the recorder goes on. */
  snapshot(): Pick<Profile, 'telemetry' | 'engineMemory' | 'generations'> {
    return { telemetry: [...this.telemetry], engineMemory: [...this.engineMemory], generations: [...this.generations] };
  }

  clear(): void {
    this.telemetry = [];
    this.engineMemory = [];
    this.generations = [];
  }
}

function dropOld<T extends { readonly timeMs: number }>(list: readonly T[], oldestMs: number, most: number): T[] {
  return list.filter(({ timeMs }) => timeMs >= oldestMs).slice(-most);
}
