/** The loop: takes requests, places them in slots, runs prefill chunks and decode steps in turns until none is left. */

import { contextSteps } from '../common/contextSteps';
import { GlmError } from '../common/errors';
import { formatCount } from './countFormat';
import type { GenerationCallbacks, GenerationOutcome, GenerationRequest, Generator, GeneratorOptions, TextDecoder } from './generation';
import { checkGenerationOptions } from './optionCheck';
import { Sequence } from './sequence';
import { chooseSlot, createSlots, reusableTokens, type Slot } from './slotTable';
import { planStep } from './stepPolicy';
import type { StepRunner } from './stepRunner';

interface Job {
  readonly sequence: Sequence;
  readonly resolve: (outcome: GenerationOutcome) => void;
  readonly reject: (error: unknown) => void;
}

export function createGenerator(runner: StepRunner, tokenizer: TextDecoder, options: GeneratorOptions): Generator {
  return new Loop(runner, tokenizer, options);
}

class Loop implements Generator {
  private readonly slots: readonly Slot[];
  private waiting: Job[] = [];
  /** In the order in which they got their slots. */
  private active: Job[] = [];
  private loop: Promise<void> | undefined;
  /** Calls of an overlapping runner that are waited for. */
  private readonly underWay = new Set<Promise<void>>();
  private isDeciding = false;
  /** Whether an overlapping runner would queue a chunk at once. */
  private room: 'unknown' | 'asked' | 'there' = 'unknown';
  private lastStep: 'prefill' | 'decode' | 'none' = 'none';
  private uses = 0;
  private isDisposed = false;

  constructor(
    private readonly runner: StepRunner,
    private readonly tokenizer: TextDecoder,
    private readonly options: GeneratorOptions,
  ) {
    this.slots = createSlots(runner.maxBatch);
  }

  get runningCount(): number {
    return this.active.length;
  }

  get queuedCount(): number {
    return this.waiting.length;
  }

  async generate(request: GenerationRequest, callbacks: GenerationCallbacks = {}, signal?: AbortSignal): Promise<GenerationOutcome> {
    this.assertUsable();
    checkGenerationOptions(request.options);
    checkPrompt(request, this.runner);
    const sequence = new Sequence(this.tokenizer, this.options, this.runner, request, callbacks, signal);
    const roomTokens = this.runner.contextTokens - sequence.promptIds.length;
    if (roomTokens < request.options.maxNewTokens) {
      callbacks.onContextLimit?.({ promptTokens: sequence.promptIds.length, contextTokens: this.runner.contextTokens, roomTokens, maxNewTokens: request.options.maxNewTokens });
    }
    return new Promise<GenerationOutcome>((resolve, reject) => {
      this.waiting.push({ sequence, resolve, reject });
      this.loop ??= this.run();
    });
  }

  forget(conversationKey: string): void {
    for (const slot of this.slots) {
      if (slot.conversationKey === conversationKey) {
        slot.conversationKey = undefined;
        if (!slot.isBusy) {
          this.setContent(slot, []);
        }
      }
    }
  }

  async exclusive<T>(work: (slot: number) => Promise<T>): Promise<T> {
    while (this.loop !== undefined) {
      await this.loop;
    }
    this.assertUsable();
    const slot = this.slots.reduce((oldest, candidate) => (candidate.lastUse < oldest.lastUse ? candidate : oldest));
    const result = Promise.resolve().then(() => {
      this.setContent(slot, []);
      slot.conversationKey = undefined;
      return work(slot.index);
    });
    this.loop = result.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await result;
    } finally {
      this.setContent(slot, []);
      this.loop = this.waiting.length > 0 ? this.run() : undefined;
    }
  }

  async dispose(): Promise<void> {
    this.isDisposed = true;
    while (this.loop !== undefined) {
      await this.loop;
    }
  }

  private assertUsable(): void {
    if (this.isDisposed) {
      throw new GlmError('generator-disposed', 'The model has been unloaded and takes no more requests. Load it again.');
    }
  }

  /** Runs until nothing waits and nothing is active. Never rejects: each failure goes to the requests it concerns. */
  private async run(): Promise<void> {
    // Requests submitted in the same turn of the event loop should meet in the first step.
    await Promise.resolve();
    return this.runner.overlapsCalls === true ? this.runOverlapping() : this.runInTurns();
  }

  private async runInTurns(): Promise<void> {
    for (;;) {
      this.endCancelled();
      this.admit();
      const prefilling = this.active.filter(({ sequence }) => !sequence.isPrefilled);
      const decoding = this.active.filter(({ sequence }) => sequence.isPrefilled);
      const step = planStep({ numPrefilling: prefilling.length, numDecoding: decoding.length, lastStep: this.lastStep });
      if (step === 'idle') {
        this.lastStep = 'none';
        this.loop = undefined;
        return;
      }
      this.lastStep = step;
      await (step === 'prefill' ? this.prefill(prefilling[0]!) : this.decode(decoding));
      await this.options.breathe?.();
    }
  }

  /** The next chunk is queued as soon as the runner takes it, the next decode step as soon as the tokens of the last one are known; neither waits for the other. */
  private async runOverlapping(): Promise<void> {
    for (;;) {
      this.endCancelled();
      this.admit();
      const ready = this.active.filter(({ sequence }) => sequence.generatedTokens > 0);
      if (ready.length > 0 && !this.isDeciding) {
        this.isDeciding = true;
        this.track(this.decode(ready).finally(() => (this.isDeciding = false)));
      }
      const joiner = this.active.find(({ sequence }) => !sequence.isSent);
      if (joiner !== undefined && this.room === 'there') {
        this.room = 'unknown';
        this.track(this.prefill(joiner));
      }
      if (this.room === 'unknown' && this.active.some(({ sequence }) => !sequence.isSent)) {
        this.room = 'asked';
        // Should it fail, the prefill that follows fails too, and says so to its request.
        const there = (): void => void (this.room = 'there');
        this.track(Promise.resolve(this.runner.room?.()).then(there, there));
      }
      if (this.underWay.size === 0) {
        this.loop = undefined;
        return;
      }
      await Promise.race(this.underWay);
      await this.options.breathe?.();
    }
  }

  private track(work: Promise<void>): void {
    const done: Promise<void> = work.then(() => void this.underWay.delete(done));
    this.underWay.add(done);
  }

  private endCancelled(): void {
    for (const job of [...this.waiting, ...this.active]) {
      if (this.isDisposed || job.sequence.signal?.aborted === true) {
        job.sequence.stopReason = 'cancelled';
        this.end(job);
      }
    }
  }

  /** First come, first served. */
  private admit(): void {
    for (const job of [...this.waiting]) {
      const { sequence } = job;
      const slot = chooseSlot(this.slots, { promptIds: sequence.promptIds, conversationKey: sequence.request.conversationKey });
      if (slot === undefined) {
        return;
      }
      this.waiting = this.waiting.filter((other) => other !== job);
      this.active.push(job);
      slot.isBusy = true;
      slot.lastUse = ++this.uses;
      slot.conversationKey = sequence.request.conversationKey;
      sequence.slot = slot;
      try {
        const reused = reusableTokens(slot.content, sequence.promptIds);
        this.runner.rewindTo(slot.index, reused);
        sequence.start(reused);
      } catch (error) {
        this.fail(job, error);
      }
    }
  }

  private async prefill(job: Job): Promise<void> {
    const { sequence } = job;
    try {
      const from = sequence.sentTokens;
      const ids = sequence.promptIds.slice(from, from + this.chunkTokens(sequence.promptIds.length - from));
      // A runner whose calls overlap goes on with this prompt between them.
      sequence.request.phases?.begin('prefill', this.active.length > 1 && (this.runner.overlapsCalls !== true || from === sequence.reusedTokens), ids.length);
      sequence.sentTokens += ids.length;
      // Between calls that overlap the runner works on; those that wait are told apart from other requests' steps in between.
      const startMs = (this.runner.overlapsCalls === true ? sequence.prefillEndMs : undefined) ?? this.options.nowMs();
      const logits = await this.working([job], () => this.runner.prefill(sequence.slot!.index, ids, from + ids.length === sequence.promptIds.length));
      if (!this.active.includes(job)) {
        return; // It was cancelled while the runner worked.
      }
      sequence.request.phases?.end();
      sequence.advancePrefill(ids.length, startMs, this.options.nowMs());
      if (logits !== undefined) {
        await this.choose(job, () => sequence.choose(logits));
      }
    } catch (error) {
      // A runner may break off a step for a cancel; the next turn of the loop then ends the request.
      if (sequence.signal?.aborted !== true && this.active.includes(job)) {
        this.fail(job, error);
      }
    }
  }

  /** Of the next chunk of a prompt that has `remaining` tokens left. */
  private chunkTokens(remaining: number): number {
    const { prefillChunkTokens, chunkTokensBesideAnswers = prefillChunkTokens, finalChunkTokens = prefillChunkTokens } = this.runner;
    const isBeside = this.active.some(({ sequence }) => sequence.generatedTokens > 0);
    const tokens = isBeside ? Math.min(prefillChunkTokens, chunkTokensBesideAnswers) : prefillChunkTokens;
    return remaining > finalChunkTokens && remaining <= tokens ? Math.ceil(remaining / 2) : tokens;
  }

  private async decode(jobs: readonly Job[]): Promise<void> {
    let logits;
    const isShared = this.active.length > 1;
    for (const { sequence } of jobs) {
      sequence.request.phases?.begin('decode', isShared, 1);
    }
    try {
      logits = await this.working(jobs, () => this.runner.decode(jobs.map(({ sequence }) => ({ slot: sequence.slot!.index, tokenId: sequence.lastId }))));
    } catch (error) {
      for (const job of jobs.filter((each) => this.active.includes(each))) {
        this.fail(job, error);
      }
      return;
    }
    for (const { sequence } of jobs) {
      sequence.request.phases?.end();
    }
    for (const [i, job] of jobs.entries()) {
      if (this.active.includes(job)) {
        await this.choose(job, () => job.sequence.choose(logits[i]!, isShared));
      }
    }
  }

  /** A failure in one row's choice, or in its listener, is that row's alone. */
  private async choose(job: Job, choose: () => Promise<void>): Promise<void> {
    try {
      await choose();
      if (job.sequence.stopReason !== undefined) {
        this.end(job);
      }
    } catch (error) {
      if (job.sequence.signal?.aborted === true) {
        return; // The next turn of the loop ends it as cancelled.
      }
      this.fail(job, error);
    }
  }

  private end(job: Job): void {
    try {
      const outcome = job.sequence.finish();
      this.release(job);
      job.resolve(outcome);
    } catch (error) {
      this.fail(job, error);
    }
  }

  private fail(job: Job, error: unknown): void {
    this.release(job);
    job.reject(error);
  }

  /** Takes a job out at once. Its slot follows when no call works on it any more: one that was cancelled may only be queued now and still write there. */
  private release(job: Job): void {
    this.waiting = this.waiting.filter((other) => other !== job);
    this.active = this.active.filter((other) => other !== job);
    if (job.sequence.slot?.callsUnderWay === 0) {
      this.freeSlot(job.sequence.slot, job);
    }
  }

  /** Runs a call of the runner, during which the jobs' slots stay theirs. */
  private async working<T>(jobs: readonly Job[], call: () => Promise<T>): Promise<T> {
    const held = jobs.map((job) => [job, job.sequence.slot as Slot] as const);
    held.forEach(([, slot]) => (slot.callsUnderWay += 1));
    try {
      return await call();
    } finally {
      for (const [job, slot] of held) {
        slot.callsUnderWay -= 1;
        if (slot.callsUnderWay === 0 && !this.active.includes(job)) {
          this.freeSlot(slot, job);
        }
      }
    }
  }

  /** Records what the slot now holds: as many tokens as the runner says are valid. */
  private freeSlot(slot: Slot, { sequence }: Job): void {
    if (!slot.isBusy) {
      return;
    }
    slot.isBusy = false;
    slot.content = this.heldBy(slot, sequence);
    if (slot.conversationKey === undefined && sequence.request.conversationKey !== undefined) {
      slot.content = []; // Forgotten while it ran; the next request rewinds the slot.
    }
  }

  /** A runner that has lost its device cannot even say how much is valid; then nothing is. */
  private heldBy(slot: Slot, sequence: Sequence): readonly number[] {
    try {
      return sequence.allIds.slice(0, this.runner.length(slot.index));
    } catch {
      return [];
    }
  }

  private setContent(slot: Slot, content: readonly number[]): void {
    this.runner.rewindTo(slot.index, content.length);
    slot.content = content;
  }
}

function checkPrompt({ promptIds }: GenerationRequest, { contextTokens, vocabSize }: StepRunner): void {
  if (promptIds.length === 0) {
    throw new GlmError('prompt-empty', 'The prompt has no tokens, so there is nothing to continue. Write something first.');
  }
  if (promptIds.length >= contextTokens) {
    throw new GlmError('prompt-too-long', `The prompt has ${formatCount(promptIds.length)} tokens, but the context holds ${formatCount(contextTokens)}, answer included. Shorten the prompt or start a new chat, or load the model with a larger context.`, {
      fields: { promptTokens: promptIds.length, contextTokens, excessTokens: promptIds.length - contextTokens + 1 },
      next: contextSteps,
    });
  }
  for (let i = 0; i < promptIds.length; i++) {
    const id = promptIds[i]!;
    if (!Number.isInteger(id) || id < 0 || id >= vocabSize) {
      throw new GlmError('bad-token-id', `Token ${i} of the prompt is ${id}, but this model's ids go from 0 to ${vocabSize - 1}. The tokenizer and the model may be of different releases.`, { fields: { position: i, id, vocabSize } });
    }
  }
}
