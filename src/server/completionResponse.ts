/** The engine's results in the shapes of the OpenAI API: whole objects and stream chunks, for chat and for plain completion. */

import type { GenerateResult } from '../common/protocol/engine';
import type { StopReason } from '../common/sampling';

export type CompletionKind = 'chat' | 'text';

export interface ResponseHead {
  readonly kind: CompletionKind;
  readonly id: string;
  /** Seconds since the Unix epoch. */
  readonly createdSeconds: number;
  readonly model: string;
}

export interface ChoiceResult {
  readonly index: number;
  readonly text: string;
  readonly reasoning: string;
  readonly result: GenerateResult;
}

export function finishReason(stopReason: StopReason): 'stop' | 'length' {
  return stopReason === 'length' || stopReason === 'context' ? 'length' : 'stop';
}

/** `choices` of one prompt share its tokens: they count once. */
export function usageOf(promptGroups: readonly (readonly GenerateResult[])[]): object {
  const promptTokens = promptGroups.reduce((sum, [first]) => sum + (first?.promptTokens ?? 0), 0);
  const cachedTokens = promptGroups.reduce((sum, [first]) => sum + (first?.reusedTokens ?? 0), 0);
  const completionTokens = promptGroups.flat().reduce((sum, result) => sum + result.ids.length, 0);
  return { prompt_tokens: promptTokens, completion_tokens: completionTokens, total_tokens: promptTokens + completionTokens, prompt_tokens_details: { cached_tokens: cachedTokens } };
}

export function wholeResponse(head: ResponseHead, choices: readonly ChoiceResult[], usage: object): object {
  return {
    ...headFields(head, head.kind === 'chat' ? 'chat.completion' : 'text_completion'),
    choices: choices.map(({ index, text, reasoning, result }) => ({
      index,
      ...(head.kind === 'chat' ? { message: { role: 'assistant', content: text, refusal: null, ...(reasoning === '' ? {} : { reasoning_content: reasoning }) } } : { text }),
      logprobs: null,
      finish_reason: finishReason(result.stopReason),
    })),
    usage,
  };
}

export interface ChoiceDelta {
  readonly index: number;
  readonly text?: string;
  readonly reasoning?: string;
  /** Set in a choice's last chunk. */
  readonly stopReason?: StopReason;
  /** True in a choice's first chunk. */
  readonly isFirst?: boolean;
}

export function chunkResponse(head: ResponseHead, { index, text, reasoning, stopReason, isFirst }: ChoiceDelta): object {
  const finish = stopReason === undefined ? null : finishReason(stopReason);
  if (head.kind === 'text') {
    return { ...headFields(head, 'text_completion'), choices: [{ index, text: text ?? '', logprobs: null, finish_reason: finish }] };
  }
  const delta = { ...(isFirst === true ? { role: 'assistant' } : {}), ...(text ? { content: text } : isFirst === true ? { content: '' } : {}), ...(reasoning ? { reasoning_content: reasoning } : {}) };
  return { ...headFields(head, 'chat.completion.chunk'), choices: [{ index, delta, logprobs: null, finish_reason: finish }] };
}

export function usageChunk(head: ResponseHead, usage: object): object {
  return { ...headFields(head, head.kind === 'chat' ? 'chat.completion.chunk' : 'text_completion'), choices: [], usage };
}

function headFields({ id, createdSeconds, model }: ResponseHead, object: string): object {
  return { id, object, created: createdSeconds, model };
}
