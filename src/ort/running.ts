/** Bound inputs and outputs, and runs over them. */

import { terminationAsCancel } from './ortErrors';
import { Handle } from './handle';
import type { MemoryInfo } from './memory';
import { callForPointer, type OrtLibrary } from './ortLibrary';
import type { Session } from './session';
import type { Value } from './value';

/** Options of a run, reusable. */
export class RunOptions extends Handle {
  constructor(readonly library: OrtLibrary) {
    super('Run options', callForPointer(library, 'CreateRunOptions'), (options) => library.call('ReleaseRunOptions', options));
  }

  /** A key of onnxruntime_run_options_config_keys.h, such as `gpu_graph_id`. */
  setConfig(key: string, value: string): this {
    this.library.call('AddRunConfigEntry', this.native, key, value);
    return this;
  }

  /** Whether runs can be profiled one by one. */
  get canProfile(): boolean {
    return this.library.has('RunOptionsEnableProfiling');
  }

  /** Each run with these options writes a file of its own whose path begins with `prefix`: a Chrome trace of its nodes. */
  enableProfiling(prefix: string): this {
    this.library.call('RunOptionsEnableProfiling', this.native, prefix);
    return this;
  }

  /** Makes a run under way with these options fail at its next node; later ones too, until {@link clearTermination}. */
  terminate(): void {
    this.library.call('RunOptionsSetTerminate', this.native);
  }

  clearTermination(): void {
    this.library.call('RunOptionsUnsetTerminate', this.native);
  }
}

/** Inputs and outputs of a session, bound by name. Keeps every bound value, and so its memory, alive. */
export class IoBinding extends Handle {
  private readonly bound = new Map<string, Value>();

  constructor(readonly session: Session) {
    const { library } = session;
    super('An IO binding', callForPointer(library, 'CreateIoBinding', session.native), (binding) => library.call('ReleaseIoBinding', binding));
  }

  /** A CPU value bound to a device input is copied at this moment: bind again when it has changed. */
  bindInput(name: string, value: Value): this {
    this.session.library.call('BindInput', this.native, name, value.native);
    this.bound.set(`in:${name}`, value);
    return this;
  }

  bindOutput(name: string, value: Value): this {
    this.session.library.call('BindOutput', this.native, name, value.native);
    this.bound.set(`out:${name}`, value);
    return this;
  }

  /** Lets the runtime allocate an output on a device; its shape may change from run to run. */
  bindOutputToDevice(name: string, info: MemoryInfo): this {
    this.session.library.call('BindOutputToDevice', this.native, name, info.native);
    this.bound.delete(`out:${name}`);
    return this;
  }

  boundInput(name: string): Value | undefined {
    return this.bound.get(`in:${name}`);
  }

  boundOutput(name: string): Value | undefined {
    return this.bound.get(`out:${name}`);
  }

  /** Runs on this thread; for runs of a few milliseconds. @throws {CancelledError} when the options were terminated. */
  run(options: RunOptions): void {
    try {
      this.session.library.call('RunWithBinding', this.session.native, options.native, this.native);
    } catch (error) {
      throw terminationAsCancel(error, 'The run');
    }
  }

  /** Runs on a worker thread. Nothing bound may be disposed or rebound until it settles. @throws {CancelledError} when the options were terminated. */
  async runAsync(options: RunOptions): Promise<void> {
    try {
      await this.session.library.callAsync('RunWithBinding', this.session.native, options.native, this.native);
    } catch (error) {
      throw terminationAsCancel(error, 'The run');
    }
  }

  override dispose(): void {
    super.dispose();
    this.bound.clear();
  }
}
