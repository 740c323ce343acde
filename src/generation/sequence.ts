/** One request on its way from prompt to answer: what has been prefilled, chosen, said and measured. Runs nothing itself. */

import { throwIfAborted } from '../common/errors';
import type { StopReason } from '../common/sampling';
import { createAnswerText, type AnswerText } from './answerText';
import type { GenerationCallbacks, GenerationOutcome, GenerationRequest, GeneratorOptions, TextDecoder } from './generation';
import { createRandom } from './random';
import { chooseToken, isGreedy, type SamplerState } from './sampler';
import { RowWorkspace } from './scoreRow';
import type { Slot } from './slotTable';
import type { StepLogits, StepRunner } from './stepRunner';

export class Sequence {
  readonly promptIds: Int32Array;
  slot: Slot | undefined;
  /** Prompt tokens in the slot, the reused ones included. */
  prefilledTokens = 0;
  /** Prompt tokens that were given to the runner, which may still work on them, and the reused ones. */
  sentTokens = 0;
  reusedTokens = 0;
  /** Time that prefill calls took, in ms. */
  prefillMs = 0;
  /** When the last prefill call ended. */
  prefillEndMs: number | undefined;
  stopReason: StopReason | undefined;

  private readonly ids: number[] = [];
  private readonly tokenTimesMs: number[] = [];
  private readonly seen: Set<number>;
  private readonly answer: AnswerText;
  private readonly seed: number | undefined;
  private readonly sampler: Omit<SamplerState, 'generatedTokens'>;
  private readonly submitMs: number;
  private startMs: number | undefined;
  private text = '';

  constructor(
    tokenizer: TextDecoder,
    private readonly tools: GeneratorOptions,
    private readonly model: Pick<StepRunner, 'vocabSize' | 'contextTokens'>,
    readonly request: GenerationRequest,
    readonly callbacks: GenerationCallbacks,
    readonly signal: AbortSignal | undefined,
  ) {
    const { options, eosIds } = request;
    this.submitMs = tools.nowMs();
    this.promptIds = Int32Array.from(request.promptIds);
    this.seen = new Set(this.promptIds);
    this.answer = createAnswerText(tokenizer, options.stopStrings);
    this.seed = isGreedy(options) ? undefined : (options.seed ?? tools.drawSeed());
    this.sampler = { options, eosIds, seen: this.seen, random: createRandom(this.seed ?? 0), workspace: new RowWorkspace() };
  }

  get isSent(): boolean {
    return this.sentTokens === this.promptIds.length;
  }

  get isPrefilled(): boolean {
    return this.prefilledTokens === this.promptIds.length;
  }

  /** The token to append next; only after the first has been chosen. */
  get lastId(): number {
    return this.ids[this.ids.length - 1]!;
  }

  get generatedTokens(): number {
    return this.ids.length;
  }

  /** Prompt and answer; a slot holds a beginning of it. */
  get allIds(): readonly number[] {
    return [...this.promptIds, ...this.ids];
  }

  start(reusedTokens: number): void {
    this.request.phases?.end();
    this.startMs = this.tools.nowMs();
    this.reusedTokens = reusedTokens;
    this.prefilledTokens = reusedTokens;
    this.sentTokens = reusedTokens;
    this.reportPrefill();
  }

  advancePrefill(tokens: number, startMs: number, endMs: number): void {
    this.prefilledTokens += tokens;
    this.prefillMs += endMs - startMs;
    this.prefillEndMs = endMs;
    this.reportPrefill();
  }

  /** Chooses the next token, says what became certain, and sets `stopReason` when it was the last. */
  async choose(logits: StepLogits, isShared = false): Promise<void> {
    const { options, eosIds, phases } = this.request;
    phases?.begin('sample', isShared);
    const id = await chooseToken(logits, this.model.vocabSize, { ...this.sampler, generatedTokens: this.ids.length });
    throwIfAborted(this.signal, 'The answer');
    phases?.begin('detokenize', isShared);
    this.ids.push(id);
    this.seen.add(id);
    this.tokenTimesMs.push(this.tools.nowMs() - this.submitMs);
    const isEos = !options.ignoreEos && eosIds.includes(id);
    const { text, stopped } = isEos ? { text: '', stopped: false } : this.answer.push(id);
    if (isEos) {
      this.stopReason = 'eos';
    } else if (stopped) {
      this.stopReason = 'stop-string';
    } else if (this.ids.length >= options.maxNewTokens) {
      this.stopReason = 'length';
    } else if (this.promptIds.length + this.ids.length >= this.model.contextTokens) {
      this.stopReason = 'context';
    }
    this.say(text, [id]);
    phases?.end();
  }

  /** Says what was held back and adds up. */
  finish(): GenerationOutcome {
    const { ids, tokenTimesMs, stopReason = 'cancelled' } = this;
    this.request.phases?.begin('detokenize', false);
    if (stopReason !== 'stop-string') {
      this.say(this.answer.end(), []);
    }
    const first = tokenTimesMs[0];
    const last = tokenTimesMs[tokenTimesMs.length - 1];
    const decodeMs = first === undefined || last === undefined || ids.length < 2 ? undefined : last - first;
    const prefilled = this.prefilledTokens - this.reusedTokens;
    const totalMs = this.tools.nowMs() - this.submitMs;
    return {
      ids,
      text: this.text,
      stopReason,
      promptTokens: this.promptIds.length,
      reusedTokens: this.reusedTokens,
      ttftMs: first,
      tpotMs: decodeMs === undefined ? undefined : decodeMs / (ids.length - 1),
      decodeTokensPerSecond: decodeMs === undefined || decodeMs <= 0 ? undefined : ((ids.length - 1) * 1000) / decodeMs,
      prefillTokensPerSecond: prefilled === 0 || this.prefillMs <= 0 ? undefined : (prefilled * 1000) / this.prefillMs,
      totalMs,
      queuedMs: this.startMs === undefined ? totalMs : this.startMs - this.submitMs,
      seed: this.seed,
      tokenTimesMs,
    };
  }

  private say(text: string, ids: readonly number[]): void {
    this.text += text;
    if (text !== '' || ids.length > 0) {
      this.callbacks.onDelta?.({ text, ids, generatedTokens: this.ids.length, elapsedMs: this.tools.nowMs() - this.submitMs });
    }
  }

  private reportPrefill(): void {
    this.callbacks.onPrefillProgress?.({ doneTokens: this.prefilledTokens, totalTokens: this.promptIds.length, reusedTokens: this.reusedTokens });
  }
}
