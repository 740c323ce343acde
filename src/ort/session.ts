/** Session options, sessions, and what a session tells about where its nodes and tensors are. */

import { loadCancellationAsCancel } from './ortErrors';
import { Handle } from './handle';
import type { Env } from './env';
import { readMemoryName } from './memory';
import { callForPointer, readPointers, readText, type NativeArgument, type OrtLibrary } from './ortLibrary';

export type GraphOptimization = 'none' | 'basic' | 'extended' | 'all';
const optimizationLevels: Readonly<Record<GraphOptimization, number>> = { none: 0, basic: 1, extended: 2, all: 99 };

/** Provider options are texts in the C API, whatever they mean. */
export type ProviderOptions = Readonly<Record<string, string>>;

/** How a session will be made. May be disposed once the session exists. */
export class SessionOptions extends Handle {
  constructor(readonly library: OrtLibrary) {
    super('Session options', callForPointer(library, 'CreateSessionOptions'), (options) => library.call('ReleaseSessionOptions', options));
  }

  setGraphOptimization(level: GraphOptimization): this {
    this.library.call('SetSessionGraphOptimizationLevel', this.native, optimizationLevels[level]);
    return this;
  }

  /** Threads inside one operator, the calling one included. */
  setIntraOpThreads(count: number): this {
    this.library.call('SetIntraOpNumThreads', this.native, count);
    return this;
  }

  /** A key of onnxruntime_session_options_config_keys.h, such as `session.disable_prepacking`. */
  setConfig(key: string, value: string): this {
    this.library.call('AddSessionConfigEntry', this.native, key, value);
    return this;
  }

  /** Activation buffers are then planned per run instead of remembered per shape. */
  disableMemoryPattern(): this {
    this.library.call('DisableMemPattern', this.native);
    return this;
  }

  disableCpuArena(): this {
    this.library.call('DisableCpuMemArena', this.native);
    return this;
  }

  /** Makes a load under way with these options, on another thread, fail as cancelled. */
  cancelLoad(): void {
    this.library.call('SessionOptionsSetLoadCancellationFlag', this.native, true);
  }

  /** Writes a Chrome trace when {@link Session.endProfiling} is called; `prefix` is the beginning of its file name. */
  enableProfiling(prefix: string): this {
    this.library.call('EnableProfiling', this.native, prefix);
    return this;
  }

  /** Appends a provider that is built into the library, by the name the C API uses: `WebGPU`, `XNNPACK`, … */
  appendProvider(name: string, options: ProviderOptions = {}): this {
    this.library.call('SessionOptionsAppendExecutionProvider', this.native, name, Object.keys(options), Object.values(options), Object.keys(options).length);
    return this;
  }

  /**
   * Appends the CUDA provider; its library must lie beside libonnxruntime.
   *
   * @param pointers  Options whose value is an address, such as `user_compute_stream`.
   */
  appendCudaProvider(options: ProviderOptions, pointers: Readonly<Record<string, bigint>> = {}): this {
    const cuda = callForPointer(this.library, 'CreateCUDAProviderOptions');
    try {
      this.library.call('UpdateCUDAProviderOptions', cuda, Object.keys(options), Object.values(options), Object.keys(options).length);
      for (const [key, address] of Object.entries(pointers)) {
        this.library.call('UpdateCUDAProviderOptionsWithValue', cuda, key, address);
      }
      this.library.call('SessionOptionsAppendExecutionProvider_CUDA_V2', this.native, cuda);
    } finally {
      this.library.call('ReleaseCUDAProviderOptions', cuda);
    }
    return this;
  }
}

/** A node as the runtime placed it. */
export interface AssignedNode {
  readonly name: string;
  readonly operator: string;
  /** Such as `CPUExecutionProvider`. */
  readonly provider: string;
}

/** A loaded graph. */
export class Session extends Handle {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];

  private constructor(
    readonly library: OrtLibrary,
    pointer: bigint,
  ) {
    super('A session', pointer, (session) => library.call('ReleaseSession', session));
    this.inputNames = this.readNames('SessionGetInputCount', 'SessionGetInputName');
    this.outputNames = this.readNames('SessionGetOutputCount', 'SessionGetOutputName');
  }

  /** Loads a model on a worker thread; external data is found beside the file or in the folder that the options name. */
  static async fromFile(env: Env, path: string, options: SessionOptions): Promise<Session> {
    return Session.load(env, 'CreateSession', [env.native, path, options.native]);
  }

  /** Loads a model from bytes on a worker thread; the bytes are free afterwards. */
  static async fromBytes(env: Env, bytes: Uint8Array, options: SessionOptions): Promise<Session> {
    return Session.load(env, 'CreateSessionFromArray', [env.native, bytes, bytes.byteLength, options.native]);
  }

  /**
   * Every node with the provider it was assigned to, after basic optimisation.
   * Needs the config entry `session.record_ep_graph_assignment_info` = 1; undefined when the library is older than that.
   */
  assignedNodes(): AssignedNode[] | undefined {
    const { library } = this;
    if (!library.has('Session_GetEpGraphAssignmentInfo')) {
      return undefined;
    }
    const readList = (name: 'Session_GetEpGraphAssignmentInfo' | 'EpAssignedSubgraph_GetNodes', of: bigint): bigint[] => {
      const list = new BigUint64Array(1);
      const count = new BigUint64Array(1);
      library.call(name, of, list, count);
      return readPointers(list[0] ?? 0n, Number(count[0] ?? 0n));
    };
    return readList('Session_GetEpGraphAssignmentInfo', this.native).flatMap((subgraph) => {
      const provider = readText(callForPointer(library, 'EpAssignedSubgraph_GetEpName', subgraph));
      return readList('EpAssignedSubgraph_GetNodes', subgraph).map((node) => ({
        name: readText(callForPointer(library, 'EpAssignedNode_GetName', node)),
        operator: readText(callForPointer(library, 'EpAssignedNode_GetOperatorType', node)),
        provider,
      }));
    });
  }

  /** Where the session expects each input, such as `Cpu` or `Cuda:1`. */
  inputMemory(): Record<string, string> {
    return this.readMemory('SessionGetMemoryInfoForInputs', this.inputNames);
  }

  /** Where the session leaves each output. */
  outputMemory(): Record<string, string> {
    return this.readMemory('SessionGetMemoryInfoForOutputs', this.outputNames);
  }

  /** Forgets a captured CUDA or WebGPU graph. */
  releaseCapturedGraph(graphId: number): void {
    this.library.call('SessionReleaseCapturedGraph', this.native, graphId);
  }

  /** Ends profiling and returns the trace's file name. */
  endProfiling(): string {
    return this.takeText(callForPointer(this.library, 'SessionEndProfiling', this.native, this.defaultAllocator()));
  }

  private static async load(env: Env, how: 'CreateSession' | 'CreateSessionFromArray', args: readonly NativeArgument[]): Promise<Session> {
    const out = new BigUint64Array(1);
    try {
      await env.library.callAsync(how, ...args, out);
    } catch (error) {
      throw loadCancellationAsCancel(error);
    }
    return new Session(env.library, out[0] ?? 0n);
  }

  private readNames(count: 'SessionGetInputCount' | 'SessionGetOutputCount', name: 'SessionGetInputName' | 'SessionGetOutputName'): string[] {
    const length = Number(callForPointer(this.library, count, this.native));
    return Array.from({ length }, (_, index) => this.takeText(callForPointer(this.library, name, this.native, index, this.defaultAllocator())));
  }

  private readMemory(how: 'SessionGetMemoryInfoForInputs' | 'SessionGetMemoryInfoForOutputs', names: readonly string[]): Record<string, string> {
    const infos = new BigUint64Array(names.length);
    this.library.call(how, this.native, infos, names.length);
    return Object.fromEntries(
      names.map((name, index) => [name, readMemoryName(this.library, infos[index] ?? 0n)]),
    );
  }

  private defaultAllocator(): bigint {
    return callForPointer(this.library, 'GetAllocatorWithDefaultOptions');
  }

  private takeText(address: bigint): string {
    const text = readText(address);
    this.library.call('AllocatorFree', this.defaultAllocator(), address);
    return text;
  }
}
