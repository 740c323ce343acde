/** What the runner needs of an engine process, and the small interfaces that measurements ask for made from it. */

import type { EngineContract, GenerateParams, GenerateResult, LoadedModel, LoadProgress } from '../common/protocol/engine';
import type { ScoringEngine } from './quality';
import type { BenchmarkTarget } from './runCase';
import type { TextEngine } from './textTimes';

type UsedRequest = 'model-load' | 'model-unload' | 'conversation-forget' | 'tokenize' | 'detokenize' | 'render-chat' | 'score' | 'memory-bandwidth';

/** EngineClient has it. */
export interface BenchmarkEngine {
  readonly pid: number | undefined;
  request<M extends UsedRequest>(method: M, params: EngineContract['requests'][M]['params'], signal?: AbortSignal): Promise<EngineContract['requests'][M]['result']>;
  on(name: 'model-load-progress', listener: (progress: LoadProgress) => void): () => void;
  generate(params: GenerateParams, listener: Record<string, never>, signal?: AbortSignal): Promise<GenerateResult>;
  /** @param graceMs  How long the process may take before it is killed. */
  end(graceMs?: number): Promise<unknown>;
}

export function targetOf(engine: BenchmarkEngine): BenchmarkTarget {
  return {
    generate: (params, signal) => engine.generate(params, {}, signal),
    forget: async (conversationKey) => void (await engine.request('conversation-forget', { conversationKey })),
  };
}

export function textEngineOf(engine: BenchmarkEngine, model: LoadedModel, signal?: AbortSignal): TextEngine & ScoringEngine {
  return {
    hasChatTemplate: model.description.hasChatTemplate,
    tokenize: async (text, mode) => (await engine.request('tokenize', { text, mode }, signal)).ids,
    renderChat: (chat) => engine.request('render-chat', { chat }, signal),
    score: (ids) => engine.request('score', { ids }, signal),
  };
}

/** Ids below the lowest stop token: GLM's special tokens lie above all ordinary ones. */
export function ordinaryTokens({ description }: LoadedModel): number {
  return Math.max(1, Math.min(...description.eosTokenIds, description.vocabSize));
}
