/** One load of a model for the cost of misalignments: what its engine said, which tokens came, and how long each took. */

import type { AlignmentMessage } from '../../src/common/alignment';
import type { LoadedModel, LoadOptions } from '../../src/common/protocol/engine';
import { percentile } from '../../src/bench/statistics';
import type { EngineClient } from '../../src/engine/client';
import { generate, openEngine } from './engineFixture';

export interface Timed {
  readonly ids: readonly number[];
  /** Of each run. */
  readonly msPerToken: readonly number[];
  readonly msPerPromptToken: readonly number[];
}

/** An engine with a model, and what it says about alignment from the start. */
export class WatchedEngine {
  private readonly messages = new Map<string, AlignmentMessage>();
  readonly resolved: string[] = [];

  private constructor(
    readonly engine: EngineClient,
    readonly model: LoadedModel,
    messages: Map<string, AlignmentMessage>,
  ) {
    this.messages = messages;
    engine.on('alignment-resolved', ({ keys }) => {
      this.resolved.push(...keys);
      keys.forEach((key) => messages.delete(key));
    });
  }

  static async load(options: LoadOptions, env: Readonly<Record<string, string>> = {}): Promise<WatchedEngine> {
    const engine = openEngine(env);
    const messages = new Map<string, AlignmentMessage>();
    engine.on('alignment-message', (message) => void messages.set(message.key, message));
    try {
      return new WatchedEngine(engine, await engine.request('model-load', options), messages);
    } catch (error) {
      await engine.end();
      throw error;
    }
  }

  get told(): readonly AlignmentMessage[] {
    return [...this.messages.values()];
  }

  /** Generates a little until `isThere`: the engine reads memory and other models after each answer. @throws {Error} after `limitMs`. */
  async until(isThere: (told: readonly AlignmentMessage[]) => boolean, what: string, limitMs = 12_000): Promise<void> {
    const endMs = performance.now() + limitMs;
    while (!isThere(this.told)) {
      if (performance.now() > endMs) {
        throw new Error(`${what} was not told within ${limitMs / 1000} s; told: ${describe(this.told)}`);
      }
      await generate(this.engine, [3, 4, 5], 2);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** A short run first, which is not counted. */
  async time(promptTokens: number, newTokens: number, runs: number): Promise<Timed> {
    const ids = Array.from({ length: promptTokens }, (_, index) => 3 + ((index * 7) % Math.min(1000, this.model.description.vocabSize - 8)));
    await generate(this.engine, ids, Math.min(8, newTokens));
    const results = [];
    for (let run = 0; run < runs; run += 1) {
      results.push(await generate(this.engine, ids, newTokens));
    }
    return {
      ids: results[0]?.ids ?? [],
      msPerToken: results.map(({ tpotMs }) => tpotMs ?? NaN),
      msPerPromptToken: results.map(({ ttftMs }) => (ttftMs ?? NaN) / promptTokens),
    };
  }

  end(): Promise<void> {
    return this.engine.end().then(() => undefined);
  }
}

export function describe(messages: readonly AlignmentMessage[]): string {
  return messages.length === 0 ? 'nothing' : messages.map(({ kind, state, message }) => `${kind} (${state}): ${message}`).join(' / ');
}

export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Whether the slowest run of one side is faster than the fastest of the other. */
export function areApart(a: readonly number[], b: readonly number[]): boolean {
  return Math.max(...a) < Math.min(...b) || Math.max(...b) < Math.min(...a);
}
