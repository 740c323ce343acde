/**
 * Records what the profiler shows: readings, the engine's memory, and the phases of answers. Only while someone looks: otherwise nothing is asked for and nothing kept.
 * Knows no 'vscode'.
 */

import { measureProfile, modelFacts, profileEnvironment, type MeasuredProfile, type ProfiledEngine } from '../../bench/profile/measureProfile';
import { meterProcess } from '../../bench/profile/telemetryMeter';
import { GlmError } from '../../common/errors';
import type { DeviceMemoryUse } from '../../common/placement';
import { profileSchema, type GenerationProfile, type Profile } from '../../common/profile';
import type { DeviceDescription, TelemetrySample } from '../../common/protocol/monitor';
import type { ProfilerModel, ProfilerState } from '../../common/protocol/profilerView';
import type { ModelState } from '../../common/protocol/webview';
import type { EngineState } from '../../engine/client';
import { withCopyTimes } from '../../profiling/copyTimes';
import { ProfileRecorder } from '../../profiling/profileRecorder';
import { summarizeProfile } from '../../profiling/summarizeProfile';
import { Emitter } from '../emitter';

/** What the service needs of the model; `ModelService` has it. */
export interface ProfiledModel {
  readonly engineState: EngineState;
  readonly memory: readonly DeviceMemoryUse[];
  /** Since when the model holds that memory, milliseconds since the Unix epoch; undefined while none is loaded. */
  readonly loadedAtMs: number | undefined;
  readonly onMemory: Emitter<readonly DeviceMemoryUse[]>;
  readonly onSpeed: Emitter<number | undefined>;
  readonly onState: Emitter<ModelState>;
  readonly onProfile: Emitter<GenerationProfile>;
  /** Answers are asked for their phases. */
  profilesAnswers: boolean;
  readonly profiledEngine: ProfiledEngine;
}

/** What the service needs of the devices; `DeviceService` has it. */
export interface ProfiledDevices {
  readonly devices: readonly DeviceDescription[];
  readonly recentSamples: readonly TelemetrySample[];
  /** The process that takes the readings, while it runs. */
  readonly monitorPid: number | undefined;
  readonly onSample: Emitter<TelemetrySample>;
  watch(): () => void;
}

export interface ProfilerServiceOptions {
  readonly model: ProfiledModel;
  readonly devices: ProfiledDevices;
  readonly version: string;
  readonly nowMs: () => number;
}

/** As `glm profile` asks by default, cut to the context. */
const usualMeasurement = { promptTokens: 512, newTokens: 128, operatorSteps: 16 } as const;

export class ProfilerService {
  readonly onSample = new Emitter<TelemetrySample>();
  readonly onMemory = new Emitter<{ readonly timeMs: number; readonly devices: readonly DeviceMemoryUse[] }>();
  readonly onSpeed = new Emitter<{ readonly timeMs: number; readonly tokensPerSecond: number }>();
  readonly onGeneration = new Emitter<GenerationProfile>();
  readonly onModel = new Emitter<ProfilerModel>();
  /** What is being measured now; undefined when nothing is. */
  readonly onWorking = new Emitter<string | undefined>();
  /** Something that arrives in no other event has changed: operators, placement, forecast. */
  readonly onMeasured = new Emitter<void>();

  private readonly recorder = new ProfileRecorder();
  private measured: Partial<MeasuredProfile> = {};
  private working: string | undefined;
  private measurement: AbortController | undefined;
  /** As it was told last. */
  private knownModel: ProfilerModel = { state: 'none' };
  private startedAtMs: number;
  private stop: (() => void) | undefined;

  constructor(private readonly options: ProfilerServiceOptions) {
    this.startedAtMs = options.nowMs();
  }

  get isRecording(): boolean {
    return this.stop !== undefined;
  }

  /** Idempotent. What the devices' own curves have kept of the last minutes is taken over. */
  start(): void {
    if (this.stop !== undefined) {
      return;
    }
    const { model, devices, nowMs } = this.options;
    this.startedAtMs = nowMs();
    devices.recentSamples.forEach((sample) => this.recorder.addSample(sample));
    this.recorder.addEngineMemory(model.loadedAtMs ?? nowMs(), model.memory);
    const endings = [
      devices.watch(),
      devices.onSample.on((sample) => {
        this.recorder.addSample(sample);
        this.onSample.fire(sample);
      }),
      model.onMemory.on((memory) => {
        const reading = { timeMs: nowMs(), devices: memory };
        this.recorder.addEngineMemory(reading.timeMs, memory);
        this.onMemory.fire(reading);
      }),
      model.onSpeed.on((tokensPerSecond) => tokensPerSecond !== undefined && this.onSpeed.fire({ timeMs: nowMs(), tokensPerSecond })),
      model.onProfile.on((generation) => this.addGeneration(generation)),
      model.onState.on(() => this.takeModelState()),
    ];
    model.profilesAnswers = true;
    this.knownModel = this.modelNow();
    this.stop = () => {
      model.profilesAnswers = false;
      endings.forEach((end) => end());
    };
    this.askPlacement();
  }

  /** Nothing is recorded from here on, and what was is forgotten; a measurement under way is cancelled. */
  end(): void {
    this.measurement?.abort();
    this.stop?.();
    this.stop = undefined;
    this.recorder.clear();
    this.measured = {};
  }

  state(): ProfilerState {
    return { source: { kind: 'live' }, model: this.modelNow(), profile: summarizeProfile(this.profile()), ...(this.working === undefined ? {} : { working: this.working }) };
  }

  profile(): Profile {
    const { devices, version } = this.options;
    const model = this.readyModel();
    const { report, operators = [], bandwidth = [], cost } = this.measured;
    const recorded = this.recorder.snapshot();
    return {
      schema: profileSchema,
      startedAtMs: this.startedAtMs,
      environment: profileEnvironment(version, devices.devices),
      ...(model === undefined ? {} : { model: modelFacts(model) }),
      ...recorded,
      ...(report === undefined ? {} : { placement: withCopyTimes(report.placement, recorded.generations), forecast: report.forecast }),
      operators,
      bandwidth,
      ...(cost === undefined ? {} : { cost }),
    };
  }

  /**
   * Generates once with phases, then runs extra steps whose nodes are timed. A cancel keeps what was measured.
   *
   * @returns sentences about what could not be had.
   * @throws {GlmError} `no-model` when none is loaded, `profile-busy` while another one runs.
   */
  async measure(signal: AbortSignal, onStatus: (text: string) => void = () => undefined): Promise<readonly string[]> {
    const model = this.readyModel();
    if (model === undefined) {
      throw new GlmError('no-model', 'No model is loaded, so there is nothing to profile. Load one first.', { next: [{ label: 'Load the model', command: 'glm.loadModel' }] });
    }
    if (this.working !== undefined) {
      throw new GlmError('profile-busy', 'A generation is already being profiled. Wait for its end, or cancel it in its notification.');
    }
    this.start();
    const notes: string[] = [];
    const tell = (text: string): void => {
      this.setWorking(text);
      onStatus(text);
    };
    const measurement = new AbortController();
    this.measurement = measurement;
    const either = AbortSignal.any([signal, measurement.signal]);
    const telemetryPercent = meterProcess(this.options.devices.monitorPid);
    try {
      tell('Profiling a generation');
      const options = { ...usualMeasurement, signal: either, onStatus: (text: string) => tell(`${text.charAt(0).toUpperCase()}${text.slice(1)}`), onNote: (text: string) => notes.push(text) };
      const measured = await measureProfile(this.options.model.profiledEngine, model, options, {
        addGeneration: (generation) => {
          if (!measurement.signal.aborted) {
            this.addGeneration(generation);
          }
        },
      });
      const telemetryCorePercent = telemetryPercent();
      if (!measurement.signal.aborted) {
        this.keep({ ...measured, cost: telemetryCorePercent === undefined ? measured.cost : { ...measured.cost, telemetryCorePercent } });
      }
    } finally {
      this.measurement = undefined;
      this.setWorking(undefined);
    }
    this.onMeasured.fire();
    return notes;
  }

  /** What a cancel did not let happen leaves what an earlier measurement of this model found. */
  private keep({ report, operators, bandwidth, cost }: MeasuredProfile): void {
    const known = this.measured;
    this.measured = {
      report: report ?? known.report,
      operators: operators.length > 0 ? operators : known.operators,
      bandwidth: bandwidth.length > 0 ? bandwidth : known.bandwidth,
      cost: cost ?? known.cost,
    };
  }

  /** Called with every step of a load, so it tells only what is new. */
  private takeModelState(): void {
    const model = this.modelNow();
    if (model.state === this.knownModel.state && model.name === this.knownModel.name) {
      return;
    }
    this.knownModel = model;
    if (model.state === 'ready') {
      this.askPlacement();
    } else {
      // Another model's operators and placement say nothing about the next one.
      this.measured = {};
    }
    this.onModel.fire(model);
    this.onMeasured.fire();
  }

  private addGeneration(generation: GenerationProfile): void {
    this.recorder.addGeneration(generation);
    this.onGeneration.fire(generation);
  }

  private setWorking(text: string | undefined): void {
    this.working = text;
    this.onWorking.fire(text);
  }

  /** Where the parts lie is known without running anything. */
  private askPlacement(): void {
    if (this.readyModel() === undefined || this.measured.report !== undefined) {
      return;
    }
    this.options.model.profiledEngine.request('placement-map', {}).then(
      (report) => {
        if (this.isRecording && this.measured.report === undefined) {
          this.measured = { ...this.measured, report };
          this.onMeasured.fire();
        }
      },
      () => undefined,
    );
  }

  private readyModel(): Extract<EngineState, { kind: 'ready' }>['model'] | undefined {
    const { engineState } = this.options.model;
    return engineState.kind === 'ready' ? engineState.model : undefined;
  }

  private modelNow(): ProfilerModel {
    const { engineState } = this.options.model;
    switch (engineState.kind) {
      case 'ready':
        return { state: 'ready', name: engineState.model.description.name };
      case 'loading':
        return { state: 'loading' };
      default:
        return { state: 'none' };
    }
  }
}
