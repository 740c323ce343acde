/** A loaded model: its stages run one after the other over slots of the KV cache. Implements what the generation loop needs. */

import { CancelledError } from '../../../common/errors';
import type { BoundTensor } from '../../../alignment/facts';
import type { DeviceMemoryUse, StageAssignment } from '../../../common/placement';
import type { OperatorProfile } from '../../../common/profile';
import type { OperatorProfileParams } from '../../../common/protocol/engine';
import type { DecodeRow, StepLogits, StepRunner } from '../../../generation/stepRunner';
import type { LayerKeysAndValues } from '../../../model/kvScales';
import type { RunOptions } from '../../../ort/running';
import type { MemoryInfo } from '../../../ort/memory';
import type { TimedCopy } from '../../../profiling/phaseRecorder';
import { CallQueue, type IsGivenUp } from './callQueue';
import { ChunkSize } from './chunkSize';
import type { CudaBatch } from './cudaBatch';
import type { CudaPrefill } from './cudaPrefill';
import { groupSlots } from './slotGroups';
import { SlotLengths } from './slotLengths';
import type { SlotDecoder } from './slotDecoder';
import { withMemoryReadings, type MemoryReading } from './memoryShortage';
import { measureOperators } from '../profile/operatorSteps';
import { stageFacts, type StageFacts } from '../profile/stageFacts';
import type { Stage } from './stage';
import type { StageMemory } from './stageDevice';
import { assignmentsOf, driverReadings, memoryUseOf } from './stageReadings';
import { StageSteps } from './stageSteps';
import type { StepBuffers, StepShape } from './stepBuffers';

export interface StageRunnerOptions {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly headDim: number;
  readonly contextTokens: number;
  readonly maxBatch: number;
  readonly prefillChunkTokens: number;
  /** Chunks begin with so many tokens and grow while the device is fast; absent: they have `prefillChunkTokens` from the beginning. */
  readonly firstChunkTokens?: number;
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

/** What the engine gets from `openStages`. */
export class StageRunner implements StepRunner {
  readonly vocabSize: number;
  readonly headDim: number;
  readonly contextTokens: number;
  readonly maxBatch: number;
  readonly runtimeVersion: string;

  private readonly chunkSize: ChunkSize;
  private readonly lengths: SlotLengths;
  private readonly steps: StageSteps;
  private readonly calls: CallQueue;
  private slotDecoder: SlotDecoder | undefined;
  /** The longest chunk of a prompt that memory was taken for. */
  private longestChunkTokens = 0;
  /** Chunks of prompts that were queued since the last decode step. */
  private chunksSinceDecode = Infinity;

  constructor(
    private readonly stages: readonly Stage[],
    private readonly hostInfo: MemoryInfo,
    private readonly options: StageRunnerOptions,
  ) {
    ({ vocabSize: this.vocabSize, headDim: this.headDim, contextTokens: this.contextTokens, maxBatch: this.maxBatch, runtimeVersion: this.runtimeVersion } = options);
    this.chunkSize = new ChunkSize(options.prefillChunkTokens, options.firstChunkTokens);
    this.lengths = new SlotLengths(options.maxBatch, options.contextTokens);
    this.steps = new StageSteps(stages, hostInfo, options, () => this.calls.isInterrupted);
    this.calls = new CallQueue({ onBegin: () => this.steps.clearTermination(), describe: (error) => withMemoryReadings(error, () => this.readMemory()) });
    this.slotDecoder = options.fused;
  }

  get prefillChunkTokens(): number {
    return this.chunkSize.tokens;
  }

  /** The longest chunk that a prefill call may ever take here. */
  get mostChunkTokens(): number {
    return this.chunkSize.mostTokens;
  }

  /** The runtime's memory on the devices, stage by stage. */
  get arenas(): readonly Pick<StageMemory, 'arena' | 'reserve'>[] {
    return this.stages.map(({ parts }) => parts.memory);
  }

  /** A chunk keeps running answers waiting; so many tokens take about as long as a few of their steps. */
  get chunkTokensBesideAnswers(): number {
    return Math.min(this.chunkSize.tokens, 512);
  }

  get finalChunkTokens(): number | undefined {
    return this.options.prefill !== undefined && this.stages.length > 1 ? 512 : undefined;
  }

  get overlapsCalls(): boolean {
    return this.options.prefill !== undefined;
  }

  /** Takes at most so many tokens per prefill call from now on. */
  limitPrefillChunk(tokens: number): void {
    this.chunkSize.limit(tokens);
  }

  /** Decodes single sequences with `decoder` from now on, and owns it. */
  decodeSlotsWith(decoder: SlotDecoder): void {
    this.slotDecoder = decoder;
  }

  length(slot: number): number {
    return this.lengths.of(slot);
  }

  rewindTo(slot: number, length: number): void {
    this.lengths.rewindTo(slot, length);
  }

  /** Takes whatever lies in the cache of an empty slot for so many positions. For warm-ups, whose results nobody reads. */
  assumeLength(slot: number, length: number): void {
    this.lengths.assume(slot, length);
  }

  /** The runtime's memory has what a chunk of so many tokens takes. */
  noteMemoryFor(tokens: number): void {
    this.longestChunkTokens = Math.max(this.longestChunkTokens, tokens);
  }

  async prefill(slot: number, ids: Int32Array, wantLogits: boolean): Promise<StepLogits | undefined> {
    const { prefill } = this.options;
    if (prefill === undefined) {
      return this.calls.exclusive(async () => {
        const startMs = performance.now();
        const step = await this.append(slot, ids, 1);
        this.chunkSize.note(ids.length, performance.now() - startMs);
        this.noteMemoryFor(ids.length);
        return wantLogits ? rowLogits(step.logitsArray) : undefined;
      });
    }
    this.assertChunk(slot, ids);
    // Outside the queue of calls, so that a decode step that is ready meanwhile goes first.
    if (!(await this.hasRoom(prefill, this.calls.untilInterrupt()))) {
      throw new CancelledError('The run');
    }
    return this.calls.queued((isGivenUp) => {
      this.assertChunk(slot, ids);
      const lengthBefore = this.length(slot);
      const chunk = prefill.enqueue(slot, ids, lengthBefore, wantLogits);
      this.chunksSinceDecode += 1;
      this.lengths.grow(slot, ids.length);
      this.noteMemoryFor(ids.length);
      return Promise.resolve(async () => {
        if (!wantLogits) {
          return undefined;
        }
        if (!(await chunk.done(isGivenUp))) {
          this.lengths.restore(slot, lengthBefore);
          throw new CancelledError('The run');
        }
        return chunk.logits();
      });
    });
  }

  async room(): Promise<void> {
    const { prefill } = this.options;
    if (prefill !== undefined) {
      await this.hasRoom(prefill, () => this.calls.isClosed);
    }
  }

  /** As {@link prefill}, with the logits of every one of `ids`: f32[ids.length, vocabSize], the caller's to keep. For perplexity and parity. */
  async prefillAllLogits(slot: number, ids: Int32Array): Promise<Float32Array> {
    return this.calls.exclusive(async () => (await this.append(slot, ids, ids.length)).logitsArray.slice());
  }

  async decode(rows: readonly DecodeRow[]): Promise<readonly StepLogits[]> {
    return this.calls.queued(async (isGivenUp) => {
      const tokenOf = new Map(rows.map(({ slot, tokenId }) => [slot, tokenId]));
      if (tokenOf.size !== rows.length) {
        throw new RangeError('a slot appears twice in one decode step');
      }
      rows.forEach(({ slot }) => this.lengths.assertRoom(slot, 1));
      const [only] = rows;
      const { batch, prefill } = this.options;
      // Beside a prompt that is being read, a step of the sessions keeps its turn in their streams; kernels on another stream would compete with it.
      const isBeside = batch !== undefined && prefill?.isBusy === true;
      if (this.slotDecoder !== undefined && only !== undefined && rows.length === 1 && !isBeside) {
        const logits = this.slotDecoder.decode(only.slot, only.tokenId, this.length(only.slot));
        this.lengths.grow(only.slot, 1);
        return () => Promise.resolve([logits]);
      }
      const step = batch?.tryQueue(tokenOf, this.lengths.all, this.chunksSinceDecode === 0);
      this.chunksSinceDecode = 0;
      if (step !== undefined) {
        const before = rows.map(({ slot }) => this.length(slot));
        rows.forEach(({ slot }) => this.lengths.grow(slot, 1));
        return async () => {
          if (!(await step.done(isGivenUp))) {
            rows.forEach(({ slot }, index) => this.lengths.restore(slot, before[index] as number));
            throw new CancelledError('The run');
          }
          const logits = step.logits();
          return rows.map(({ slot }) => logits.get(slot) as StepLogits);
        };
      }
      const logits = await this.decodeWithSessions(rows, tokenOf);
      rows.forEach(({ slot }) => this.lengths.grow(slot, 1));
      return () => Promise.resolve(logits);
    });
  }

  /** Makes the call under way fail with {@link CancelledError} at its next operator. Slots keep the lengths they had before that call. */
  interrupt(): void {
    this.calls.interrupt();
    this.steps.terminate();
  }

  /** What a slot's cache holds in one layer, f32[numKvHeads, positions, headDim] each. */
  readCache(layerIndex: number, slot: number): Promise<LayerKeysAndValues> {
    return this.calls.exclusive(async () => {
      const stage = this.stages.find(({ parts: { placement } }) => layerIndex >= placement.firstLayer && layerIndex < placement.endLayer);
      if (stage === undefined) {
        throw new RangeError(`layer ${layerIndex} lies in no stage`);
      }
      return Promise.resolve(stage.readCache(layerIndex, slot, this.length(slot)));
    });
  }

  /** What the stages are made of, for a placement map. */
  stageFacts(): StageFacts {
    return { ...stageFacts(this.stages, this.options), missingChunkFraction: Math.max(0, 1 - this.longestChunkTokens / Math.min(this.mostChunkTokens, this.contextTokens)) };
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
    this.steps.listenToCopies(listener);
    this.slotDecoder?.listenToCopies?.(listener);
  }

  /** What the runtime really did with each stage, to be held against the plan. */
  assignments(): StageAssignment[] {
    return assignmentsOf(this.stages, this.headDim, this.options.fused !== undefined);
  }

  /** Where the tensors of the last step lie. */
  boundTensors(): BoundTensor[] {
    return this.stages.flatMap((stage) => stage.boundTensors());
  }

  /** Bytes by device; stages on the same device are added up. */
  memoryUse(): DeviceMemoryUse[] {
    return memoryUseOf(this.stages);
  }

  /** What the drivers count on the GPUs of the stages now. */
  readMemory(): MemoryReading[] {
    return driverReadings(this.stages);
  }

  /** Frees caches, weights and sessions, after the call under way, if any, has been interrupted. Disposing twice is harmless. */
  async dispose(): Promise<void> {
    if (this.calls.isClosed) {
      return;
    }
    const closed = this.calls.close();
    this.interrupt();
    await closed;
    this.slotDecoder?.[Symbol.dispose]();
    this.options.batch?.[Symbol.dispose]();
    this.options.prefill?.[Symbol.dispose]();
    this.steps.releaseBuffers();
    this.stages.forEach((stage) => stage[Symbol.dispose]());
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
    this.lengths.grow(slot, ids.length);
    return step;
  }

  private runTimed(slot: number, ids: Int32Array, optionsOf: readonly RunOptions[]): Promise<void> {
    return this.calls.exclusive(async () => {
      this.assertChunk(slot, ids);
      await this.steps.runTimed(slot, { slotCount: 1, tokens: ids.length, positions: 1 }, ids, [this.length(slot)], optionsOf);
      this.lengths.grow(slot, ids.length);
    });
  }

  private runStages(firstSlot: number, shape: StepShape, ids: Int32Array): Promise<StepBuffers> {
    return this.steps.run(
      firstSlot,
      shape,
      ids,
      Array.from({ length: shape.slotCount }, (_, row) => this.length(firstSlot + row)),
    );
  }

  private hasRoom(prefill: CudaPrefill, isGivenUp: IsGivenUp): Promise<boolean> {
    return this.calls.waitFor(prefill.room(this.chunksSinceDecode < shortQueueChunks, isGivenUp));
  }

  private assertChunk(slot: number, ids: Int32Array): void {
    if (ids.length < 1 || ids.length > this.prefillChunkTokens) {
      throw new RangeError(`a prefill call takes 1 to ${this.prefillChunkTokens} tokens, got ${ids.length}`);
    }
    this.lengths.assertRoom(slot, ids.length);
  }
}

function rowLogits(row: Float32Array): StepLogits {
  return { full: () => Promise.resolve(row) };
}
