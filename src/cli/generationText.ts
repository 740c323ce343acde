/** A generation's result as `glm` prints it: the JSON shape and the line of figures. */

import type { ContextLimit, GenerateResult } from '../common/protocol/engine';

/** The JSON of one result; scripts rely on these names. */
export function toJson(result: GenerateResult): object {
  const { ids, text, stopReason, promptTokens, reusedTokens, ttftMs, tpotMs, decodeTokensPerSecond, prefillTokensPerSecond, peakMemoryBytes, tokenizeMs, queuedMs, totalMs, seed } = result;
  return { ids, text, stopReason, promptTokens, reusedTokens, ttftMs, tpotMs, decodeTokensPerSecond, prefillTokensPerSecond, peakMemoryBytes, tokenizeMs, queuedMs, totalMs, seed };
}

/** `12 prompt tokens (8 reused) · 45 generated · TTFT 38 ms · 61.2 tok/s · eos`; figures that were not measured are n/a. */
export function describeFigures(result: GenerateResult): string {
  const reused = result.reusedTokens > 0 ? ` (${result.reusedTokens} reused)` : '';
  const ttft = result.ttftMs === undefined ? 'n/a' : `${result.ttftMs.toFixed(0)} ms`;
  const speed = result.decodeTokensPerSecond === undefined ? 'n/a' : result.decodeTokensPerSecond.toFixed(1);
  return `${result.promptTokens} prompt tokens${reused} · ${result.ids.length} generated · TTFT ${ttft} · ${speed} tok/s · ${result.stopReason}`;
}

/** Said before the answer, so that its end comes as no surprise. */
export function describeContextLimit({ promptTokens, contextTokens, roomTokens }: ContextLimit): string {
  const count = (tokens: number): string => tokens.toLocaleString('en-US');
  return `note: the prompt takes ${count(promptTokens)} of ${count(contextTokens)} tokens of context; at most ${count(roomTokens)} can be generated.`;
}
