/** Sampling and length options, with transformers' meaning and order: penalties, temperature, top_k, top_p, min_p. */

export interface SamplingOptions {
  /** False: greedy, whatever the other options say. */
  readonly doSample: boolean;
  readonly temperature: number;
  /** 0 keeps all tokens. */
  readonly topK: number;
  /** 1 keeps all tokens. */
  readonly topP: number;
  /** 0 keeps all tokens. */
  readonly minP: number;
  /** 1 changes nothing; as transformers' RepetitionPenaltyLogitsProcessor, over prompt and generated tokens. */
  readonly repetitionPenalty: number;
  /** The same seed gives the same tokens on the same device; undefined draws one, which the result reports. */
  readonly seed?: number;
}

/** What the makers of a checkpoint recommend; what they say nothing of is not there. */
export type SamplingDefaults = Partial<Pick<SamplingOptions, 'temperature' | 'topK' | 'topP' | 'minP' | 'repetitionPenalty'>>;

export interface LengthOptions {
  readonly maxNewTokens: number;
  /** EOS cannot be chosen before this many tokens. */
  readonly minNewTokens: number;
  readonly stopStrings: readonly string[];
  /** EOS neither ends the generation nor is masked. */
  readonly ignoreEos: boolean;
}

export type GenerationOptions = SamplingOptions & LengthOptions;

export const greedySampling: SamplingOptions = { doSample: false, temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };

export const defaultLength: LengthOptions = { maxNewTokens: 1024, minNewTokens: 0, stopStrings: [], ignoreEos: false };

export type StopReason = 'eos' | 'stop-string' | 'length' | 'context' | 'cancelled';
