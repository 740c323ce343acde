/** A loaded model: its stages run one after the other over slots of the KV cache. Implements what the generation loop needs. */

import { CancelledError, GlmError } from '../../../common/errors';
import type { BoundTensor } from '../../../alignment/facts';
import type { DeviceMemoryUse, StageAssignment } from '../../../common/placement';
import type { OperatorProfile } from '../../../common/profile';
import type { OperatorProfileParams } from '../../../common/protocol/engine';
import type { DecodeRow, StepLogits, StepRunner } from '../../../generation/stepRunner';
import type { LayerKeysAndValues } from '../../../model/kvScales';
import { RunOptions } from '../../../ort/running';
import type { Value } from '../../../ort/value';
import type { MemoryInfo } from '../../../ort/memory';
import type { TimedCopy } from '../../../profiling/phaseRecorder';
import { forbiddingVariables } from './attentionKernel';
import type { CudaBatch } from './cudaBatch';
import type { CudaPrefill } from './cudaPrefill';
import { groupSlots } from './slotGroups';
import type { SlotDecoder } from './slotDecoder';
import { withMemoryReadings, type MemoryReading } from './memoryShortage';
import { openHandOver, type HandOver } from './handOver';
import { measureOperators } from '../profile/operatorSteps';
import { stageFacts, type StageFacts } from '../profile/stageFacts';
import type { Stage, StageBorder } from './stage';
import { StepBufferCache, StepBuffers, type StepShape } from './stepBuffers';

export interface StageRunnerOptions {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly headDim: number;
  readonly contextTokens: number;
  readonly maxBatch: number;
  readonly prefillChunkTokens: number;
  readonly runtimeVersion: string;
  /** Decodes a single sequence faster than the stages' sessions can. Owned by the runner. */
  readonly fused?: SlotDecoder;
  /** Decodes several sequences faster than the stages' sessions can. Owned by the runner. */
  readonly batch?: CudaBatch;
  /** Reads prompts without waiting for each chunk. Owned by the runner. */
  readonly prefill?: CudaPrefill;
}

/** Until so many chunks after a decode step, answers are taken to be under way, and fewer chunks are queued so that the next step soon has its turn. */
const shortQueueChunks = 4;

/** What is left to do for a call when its work has been queued: wait and read. */
type Finish<T> = () => Promise<T>;

/** What the engine gets from `openStages`. */
export class StageRunner implements StepRunner {
  readonly vocabSize: number;
  readonly contextTokens: number;
  readonly maxBatch: number;
  readonly runtimeVersion: string;

  private chunkTokens: number;
  private readonly lengths: number[];
  private readonly buffers: StepBufferCache;
  private readonly hidden = new Map<string, HandOver>();
  private readonly runOptions: RunOptions;
  private slotDecoder: SlotDecoder | undefined;
  private copyListener: ((copy: TimedCopy) => void) | undefined;
  /** Of extra steps under way that are profiled. */
  private timedOptions: readonly RunOptions[] = [];
  private isInterrupted = false;
  /** Calls that were made before the last interrupt are given up. */
  private interrupts = 0;
  /** Calls whose work has been queued and is waited for. */
  private readonly finishing = new Set<Promise<unknown>>();
  /** Chunks of prompts that were queued since the last decode step. */
  private chunksSinceDecode = Infinity;
  private tail: Promise<unknown> = Promise.resolve();
  private isDisposed = false;

  constructor(
    private readonly stages: readonly Stage[],
    private readonly hostInfo: MemoryInfo,
    private readonly options: StageRunnerOptions,
  ) {
    ({ vocabSize: this.vocabSize, contextTokens: this.contextTokens, maxBatch: this.maxBatch, prefillChunkTokens: this.chunkTokens, runtimeVersion: this.runtimeVersion } = options);
    this.lengths = new Array<number>(options.maxBatch).fill(0);
    const idDtype = stages[0]?.parts.precision.ids ?? 'i64';
    this.buffers = new StepBufferCache((shape) => new StepBuffers(hostInfo, shape, idDtype, options.vocabSize));
    this.runOptions = new RunOptions(hostInfo.library);
    this.slotDecoder = options.fused;
    if (stages.some(({ parts: { device } }) => device.provider === 'cuda' || device.capturesSteps === true)) {
      // Only cudaBatch.ts and webgpuCapture.ts capture and replay.
      this.runOptions.setConfig('gpu_graph_id', '-1');
    }
  }

  get prefillChunkTokens(): number {
    return this.chunkTokens;
  }

  /** A chunk keeps running answers waiting; so many tokens take about as long as a few of their steps. */
  get chunkTokensBesideAnswers(): number {
    return Math.min(this.chunkTokens, 512);
  }

  get finalChunkTokens(): number | undefined {
    return this.options.prefill !== undefined && this.stages.length > 1 ? 512 : undefined;
  }

  get overlapsCalls(): boolean {
    return this.options.prefill !== undefined;
  }

  /** Takes at most so many tokens per prefill call from now on. */
  limitPrefillChunk(tokens: number): void {
    this.chunkTokens = Math.min(this.chunkTokens, tokens);
  }

  /** Decodes single sequences with `decoder` from now on, and owns it. */
  decodeSlotsWith(decoder: SlotDecoder): void {
    this.slotDecoder = decoder;
  }

  length(slot: number): number {
    const length = this.lengths[slot];
    if (length === undefined) {
      throw new RangeError(`slot ${slot} of ${this.maxBatch}`);
    }
    return length;
  }

  rewindTo(slot: number, length: number): void {
    if (!Number.isInteger(length) || length < 0 || length > this.length(slot)) {
      throw new RangeError(`cannot rewind slot ${slot} to ${length}; it holds ${this.length(slot)} positions`);
    }
    this.lengths[slot] = length;
  }

  async prefill(slot: number, ids: Int32Array, wantLogits: boolean): Promise<StepLogits | undefined> {
    const { prefill } = this.options;
    if (prefill === undefined) {
      return this.exclusive(async () => {
        const step = await this.append(slot, ids, 1);
        return wantLogits ? rowLogits(step.logitsArray) : undefined;
      });
    }
    this.assertChunk(slot, ids);
    const { interrupts } = this;
    // Outside the queue of calls, so that a decode step that is ready meanwhile goes first.
    if (!(await this.hasRoom(prefill, () => this.interrupts !== interrupts))) {
      throw new CancelledError('The run');
    }
    return this.queued((isGivenUp) => {
      this.assertChunk(slot, ids);
      const lengthBefore = this.length(slot);
      const chunk = prefill.enqueue(slot, ids, lengthBefore, wantLogits);
      this.chunksSinceDecode += 1;
      this.lengths[slot] = lengthBefore + ids.length;
      return Promise.resolve(async () => {
        if (!wantLogits) {
          return undefined;
        }
        if (!(await chunk.done(isGivenUp))) {
          this.lengths[slot] = lengthBefore;
          throw new CancelledError('The run');
        }
        return chunk.logits();
      });
    });
  }

  async room(): Promise<void> {
    const { prefill } = this.options;
    if (prefill !== undefined) {
      await this.hasRoom(prefill, () => this.isDisposed);
    }
  }

  /** As {@link prefill}, with the logits of every one of `ids`: f32[ids.length, vocabSize], the caller's to keep. For perplexity and parity. */
  async prefillAllLogits(slot: number, ids: Int32Array): Promise<Float32Array> {
    return this.exclusive(async () => (await this.append(slot, ids, ids.length)).logitsArray.slice());
  }

  async decode(rows: readonly DecodeRow[]): Promise<readonly StepLogits[]> {
    return this.queued(async (isGivenUp) => {
      const tokenOf = new Map(rows.map(({ slot, tokenId }) => [slot, tokenId]));
      if (tokenOf.size !== rows.length) {
        throw new RangeError('a slot appears twice in one decode step');
      }
      rows.forEach(({ slot }) => this.assertRoom(slot, 1));
      const [only] = rows;
      const { batch, prefill } = this.options;
      // Beside a prompt that is being read, a step of the sessions keeps its turn in their streams; kernels on another stream would compete with it.
      const isBeside = batch !== undefined && prefill?.isBusy === true;
      if (this.slotDecoder !== undefined && only !== undefined && rows.length === 1 && !isBeside) {
        const logits = this.slotDecoder.decode(only.slot, only.tokenId, this.length(only.slot));
        this.lengths[only.slot] = this.length(only.slot) + 1;
        return () => Promise.resolve([logits]);
      }
      const step = batch?.tryQueue(tokenOf, this.lengths, this.chunksSinceDecode === 0);
      this.chunksSinceDecode = 0;
      if (step !== undefined) {
        const before = rows.map(({ slot }) => this.length(slot));
        rows.forEach(({ slot }) => (this.lengths[slot] = this.length(slot) + 1));
        return async () => {
          if (!(await step.done(isGivenUp))) {
            rows.forEach(({ slot }, index) => (this.lengths[slot] = before[index] as number));
            throw new CancelledError('The run');
          }
          const logits = step.logits();
          return rows.map(({ slot }) => logits.get(slot) as StepLogits);
        };
      }
      const logits = await this.decodeWithSessions(rows, tokenOf);
      rows.forEach(({ slot }) => (this.lengths[slot] = this.length(slot) + 1));
      return () => Promise.resolve(logits);
    });
  }

  /** Makes the call under way fail with {@link CancelledError} at its next operator. Slots keep the lengths they had before that call. */
  interrupt(): void {
    this.isInterrupted = true;
    this.interrupts += 1;
    this.runOptions.terminate();
    this.timedOptions.forEach((options) => options.terminate());
  }

  /** What a slot's cache holds in one layer, f32[numKvHeads, positions, headDim] each. */
  readCache(layerIndex: number, slot: number): Promise<LayerKeysAndValues> {
    return this.exclusive(async () => {
      const stage = this.stages.find(({ parts: { placement } }) => layerIndex >= placement.firstLayer && layerIndex < placement.endLayer);
      if (stage === undefined) {
        throw new RangeError(`layer ${layerIndex} lies in no stage`);
      }
      return Promise.resolve(stage.readCache(layerIndex, slot, this.length(slot)));
    });
  }

  /** What the stages are made of, for a placement map. */
  stageFacts(): StageFacts {
    return stageFacts(this.stages, this.options);
  }

  /** Times every node of extra steps in an empty slot; nobody else may use the runner meanwhile. @throws {CancelledError} */
  profileOperators(slot: number, params: OperatorProfileParams, signal: AbortSignal): Promise<readonly OperatorProfile[]> {
    const { stages, vocabSize, prefillChunkTokens } = this;
    return measureOperators(
      {
        stages,
        vocabSize,
        prefillChunkTokens,
        length: (of) => this.length(of),
        rewindTo: (of, length) => this.rewindTo(of, length),
        prefill: (of, ids, wantLogits) => this.prefill(of, ids, wantLogits),
        decode: (rows) => this.decode(rows),
        runTimed: (of, ids, optionsOf) => this.runTimed(of, ids, optionsOf),
        timeKernels: (of, tokenId, steps) => this.slotDecoder?.timeKernels?.(of, tokenId, this.length(of), steps),
      },
      slot,
      params,
      signal,
    );
  }

  /** Times copies between stages from now on; undefined ends it. */
  listenToCopies(listener: ((copy: TimedCopy) => void) | undefined): void {
    this.copyListener = listener;
    this.slotDecoder?.listenToCopies?.(listener);
  }

  /** What the runtime really did with each stage, to be held against the plan. */
  assignments(): StageAssignment[] {
    return this.stages.map((stage) => {
      const assignment = stage.assignment();
      const kernel = stage.parts.device.attentionKernel?.(this.options.headDim, stage.parts.precision.kv);
      const forbiddenBy = kernel === 'unfused' ? forbiddingVariables(process.env) : [];
      return kernel === undefined
        ? assignment
        : { ...assignment, attention: { prefill: kernel, decode: this.options.fused === undefined ? kernel : 'own', ...(forbiddenBy.length === 0 ? {} : { forbiddenBy }) } };
    });
  }

  /** Where the tensors of the last step lie. */
  boundTensors(): BoundTensor[] {
    return this.stages.flatMap((stage) => stage.boundTensors());
  }

  /** Bytes by device; stages on the same device are added up. */
  memoryUse(): DeviceMemoryUse[] {
    const byDevice = new Map<string, DeviceMemoryUse>();
    for (const use of this.stages.map((stage) => stage.memoryUse())) {
      const sum = byDevice.get(use.device);
      byDevice.set(
        use.device,
        sum === undefined
          ? use
          : {
              device: use.device,
              weightBytes: sum.weightBytes + use.weightBytes,
              kvBytes: sum.kvBytes + use.kvBytes,
              activationBytes: sum.activationBytes === undefined || use.activationBytes === undefined ? undefined : sum.activationBytes + use.activationBytes,
              stagingBytes: sum.stagingBytes + use.stagingBytes,
            },
      );
    }
    return [...byDevice.values()];
  }

  /** Frees caches, weights and sessions, after the call under way, if any, has been interrupted. Disposing twice is harmless. */
  async dispose(): Promise<void> {
    if (this.isDisposed) {
      return;
    }
    this.isDisposed = true;
    this.interrupt();
    await this.tail.catch(() => undefined);
    await Promise.allSettled(this.finishing);
    this.buffers[Symbol.dispose]();
    this.slotDecoder?.[Symbol.dispose]();
    this.options.batch?.[Symbol.dispose]();
    this.options.prefill?.[Symbol.dispose]();
    this.stages.forEach((stage) => stage.releaseBindings());
    this.hidden.forEach((handOver) => handOver[Symbol.dispose]());
    this.stages.forEach((stage) => stage[Symbol.dispose]());
    this.runOptions.dispose();
    this.hostInfo.dispose();
  }

  /** One run of all stages for each group of neighbouring slots. */
  private async decodeWithSessions(rows: readonly DecodeRow[], tokenOf: ReadonlyMap<number, number>): Promise<readonly StepLogits[]> {
    const result = new Map<number, StepLogits>();
    const canIdle = (slot: number): boolean => this.length(slot) < this.contextTokens;
    const groups = groupSlots([...tokenOf.keys()], canIdle).flatMap((group) =>
      this.stages.every((stage) => stage.canBatch(group.firstSlot, group.slotCount))
        ? [group]
        : Array.from({ length: group.slotCount }, (_, index) => ({ firstSlot: group.firstSlot + index, slotCount: 1 })).filter(({ firstSlot }) => tokenOf.has(firstSlot)),
    );
    for (const { firstSlot, slotCount } of groups) {
      const slots = Array.from({ length: slotCount }, (_, index) => firstSlot + index);
      const ids = Int32Array.from(slots, (slot) => tokenOf.get(slot) ?? 0);
      const step = await this.runStages(firstSlot, { slotCount, tokens: 1, positions: 1 }, ids);
      // A later group may reuse the buffers, so rows are copied unless this is the only one.
      slots.forEach((slot, row) => {
        const logits = step.logitsArray.subarray(row * this.vocabSize, (row + 1) * this.vocabSize);
        result.set(slot, rowLogits(groups.length === 1 ? logits : logits.slice()));
      });
    }
    return rows.map(({ slot }) => result.get(slot) as StepLogits);
  }

  private async append(slot: number, ids: Int32Array, positions: number): Promise<StepBuffers> {
    this.assertChunk(slot, ids);
    const step = await this.runStages(slot, { slotCount: 1, tokens: ids.length, positions }, ids);
    this.lengths[slot] = this.length(slot) + ids.length;
    return step;
  }

  private runTimed(slot: number, ids: Int32Array, optionsOf: readonly RunOptions[]): Promise<void> {
    return this.exclusive(async () => {
      this.assertChunk(slot, ids);
      optionsOf.forEach((options) => options.clearTermination());
      this.timedOptions = optionsOf;
      try {
        await this.runStages(slot, { slotCount: 1, tokens: ids.length, positions: 1 }, ids, optionsOf);
      } finally {
        this.timedOptions = [];
      }
      this.lengths[slot] = this.length(slot) + ids.length;
    });
  }

  private async runStages(firstSlot: number, shape: StepShape, ids: Int32Array, optionsOf: readonly RunOptions[] = []): Promise<StepBuffers> {
    const step = this.buffers.get(shape);
    const lengths = Array.from({ length: shape.slotCount }, (_, row) => this.length(firstSlot + row));
    step.fill(ids, lengths);
    let hiddenIn: Value | undefined;
    for (const [index, stage] of this.stages.entries()) {
      if (this.isInterrupted) {
        throw new CancelledError('The run');
      }
      const handOver = index === this.stages.length - 1 ? undefined : this.hiddenAfter(index, shape);
      const border: StageBorder = { hiddenIn, hiddenOut: handOver?.out };
      await stage.run(firstSlot, step, border, optionsOf[index] ?? this.runOptions);
      if (handOver?.copy !== undefined) {
        const startMs = this.copyListener === undefined ? 0 : performance.now();
        handOver.copy();
        this.copyListener?.({ startMs, durationMs: performance.now() - startMs, bytes: handOver.out.byteLength, tokens: shape.tokens, from: stage.parts.device.id, to: (this.stages[index + 1] as Stage).parts.device.id });
      }
      hiddenIn = handOver?.in;
    }
    return step;
  }

  /** Hidden states handed from stage `index` to the next: in one tensor when both share a device, from GPU to GPU directly, else through host memory. */
  private hiddenAfter(index: number, shape: StepShape): HandOver {
    const [from, to] = [this.stages[index] as Stage, this.stages[index + 1] as Stage];
    const key = `${index}:${shape.slotCount}:${shape.tokens}`;
    const known = this.hidden.get(key);
    if (known !== undefined) {
      return known;
    }
    // Decode shapes recur; of the prefill shapes only the latest is worth keeping.
    const mostKept = 16;
    const [oldest] = this.hidden.keys();
    if (this.hidden.size >= mostKept && oldest !== undefined) {
      this.hidden.get(oldest)?.[Symbol.dispose]();
      this.hidden.delete(oldest);
    }
    const handOver = openHandOver(from, to, [shape.slotCount, shape.tokens, this.options.hiddenSize], this.hostInfo, to.isMisplaced('hidden'));
    this.hidden.set(key, handOver);
    return handOver;
  }

  private hasRoom(prefill: CudaPrefill, isGivenUp: () => boolean): Promise<boolean> {
    const waiting = prefill.room(this.chunksSinceDecode < shortQueueChunks, isGivenUp);
    this.finishing.add(waiting);
    return waiting.finally(() => this.finishing.delete(waiting));
  }

  private assertChunk(slot: number, ids: Int32Array): void {
    if (ids.length < 1 || ids.length > this.prefillChunkTokens) {
      throw new RangeError(`a prefill call takes 1 to ${this.prefillChunkTokens} tokens, got ${ids.length}`);
    }
    this.assertRoom(slot, ids.length);
  }

  private assertRoom(slot: number, tokens: number): void {
    const length = this.length(slot);
    if (length + tokens > this.contextTokens) {
      throw new GlmError('context-full', `The context of ${this.contextTokens} tokens is full: ${length} are in use and ${tokens} more do not fit. Start a new chat, or load the model with a longer context.`, {
        fields: { contextTokens: this.contextTokens, usedTokens: length, tokens },
      });
    }
  }

  /** What the drivers count on the GPUs of the stages now. */
  readMemory(): MemoryReading[] {
    return this.stages.flatMap(({ parts: { device } }) => (device.memoryReading === undefined ? [] : [{ device: device.id, ...device.memoryReading() }]));
  }

  /** Queues a call's work when the calls before have been queued, then waits for it beside them. */
  private async queued<T>(work: (isGivenUp: () => boolean) => Promise<Finish<T>>): Promise<T> {
    const finish = await this.exclusive(async () => {
      const { interrupts } = this;
      return work(() => this.interrupts !== interrupts);
    });
    const finishing = finish();
    this.finishing.add(finishing);
    try {
      return await finishing;
    } finally {
      this.finishing.delete(finishing);
    }
  }

  /** Calls wait for each other: buffers and cache belong to one at a time. */
  private exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.isDisposed) {
      return Promise.reject(new GlmError('used-after-dispose', 'The model has been unloaded.'));
    }
    const result = this.tail.then(async () => {
      if (this.isDisposed) {
        throw new CancelledError('The run');
      }
      this.isInterrupted = false;
      this.runOptions.clearTermination();
      try {
        return await work();
      } catch (error) {
        throw withMemoryReadings(error, () => this.readMemory());
      }
    });
    this.tail = result.catch(() => undefined);
    return result;
  }
}

function rowLogits(row: Float32Array): StepLogits {
  return { full: () => Promise.resolve(row) };
}
