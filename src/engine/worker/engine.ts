/** The engine's answers to every request of the contract. Holds at most one model. */

import { listCachedCheckpoints } from '../../checkpoint/listCachedCheckpoints';
import { GlmError } from '../../common/errors';
import type { DeviceMemoryUse } from '../../common/placement';
import type { EngineContract, LoadedModel, LoadOptions } from '../../common/protocol/engine';
import type { RpcHandlers } from '../../common/protocol/rpc';
import { measureBandwidth } from './copyBandwidth';
import { listBudgets } from './deviceBudgets';
import { tokenizeText, type TextSource } from './encodePrompt';
import { gpuBudgetSources } from './gpuBudgetSources';
import { loadModel, type LoadContext } from './loadModel';
import { openModel, planModel } from './planModel';
import { NothingLoadedError } from './promptErrors';
import type { ServedModel } from './servedModel';
import { TokenizerStore } from './tokenizerStore';

export interface EngineContext extends LoadContext {
  onMemoryUse(memory: readonly DeviceMemoryUse[]): void;
}

/**
 * A second model was asked of an engine that has one.
 *
 * Cause: a host that did not unload first. Handled by: the host; each process serves one model.
 */
export class AlreadyLoadedError extends GlmError {
  constructor() {
    super('already-loaded', 'This engine already has a model, or is loading one. Unload it first, or start another engine.');
  }
}

export class Engine {
  private served: ServedModel | undefined;
  private loading: { readonly controller: AbortController; readonly done: Promise<unknown> } | undefined;
  private readonly tokenizers: TokenizerStore;
  private cpuThreads: number | undefined;

  readonly handlers: RpcHandlers<EngineContract> = {
    'checkpoints-list': () => listCachedCheckpoints({ env: this.context.env }),
    'model-describe': async ({ source }, signal) => (await openModel(source, this.context.env, signal)).description,
    'model-plan': async (options, signal) => {
      const opened = await openModel(options.source, this.context.env, signal);
      const { plan } = planModel(opened, options, options.devices ?? (await listBudgets(options, gpuBudgetSources)));
      return { description: opened.description, plan };
    },
    'model-load': (options, signal) => this.load(options, signal),
    'model-unload': async () => ({ freedBytes: await this.unload() }),
    generate: async (params, signal) => {
      const served = this.model();
      const result = await served.generate(params, signal);
      if (this.served === served) {
        this.context.onMemoryUse(served.memory());
      }
      return result;
    },
    logits: async ({ ids }, signal) => ({ logits: Array.from(await this.model().logits(ids, signal)) }),
    score: ({ ids }, signal) => this.model().score(ids, signal),
    'memory-bandwidth': (_params, signal) => {
      const { plan } = this.model().loaded;
      return measureBandwidth(plan.stages.map((stage) => stage.device), this.cpuThreads, this.context.log, signal);
    },
    'profile-operators': async (params, signal) => {
      const served = this.model();
      const profiles = await served.profileOperators(params, signal);
      if (this.served === served) {
        this.context.onMemoryUse(served.memory());
      }
      return profiles;
    },
    'placement-map': () => this.model().placement(),
    tokenize: async ({ source, text, mode }, signal) => ({ ids: Array.from((await tokenizeText(await this.textSource(source), { kind: 'encode', text, mode }, undefined, signal)).ids) }),
    detokenize: ({ ids, skipSpecial }) => ({ text: this.model().text.tokenizer.decode(ids, { skipSpecial }) }),
    'render-chat': async ({ source, chat }, signal) => {
      const { ids, text } = await tokenizeText(await this.textSource(source), { kind: 'render', chat }, undefined, signal);
      return { text: text ?? '', ids: Array.from(ids) };
    },
    'memory-report': () => this.served?.memory() ?? [],
    'conversation-forget': ({ conversationKey }) => {
      this.served?.forget(conversationKey);
      return {};
    },
  };

  constructor(private readonly context: EngineContext) {
    this.tokenizers = new TokenizerStore(context.env);
  }

  /** Cancels a load under way and frees what is loaded. @returns bytes freed. Harmless when there is nothing. */
  async unload(): Promise<number> {
    this.loading?.controller.abort();
    await this.loading?.done;
    const served = this.served;
    this.served = undefined;
    const freedBytes = (await served?.dispose()) ?? 0;
    this.context.loadedModels.withdraw();
    if (served !== undefined) {
      this.context.onMemoryUse([]);
    }
    return freedBytes;
  }

  private async load(options: LoadOptions, signal: AbortSignal): Promise<LoadedModel> {
    if (this.served !== undefined || this.loading !== undefined) {
      throw new AlreadyLoadedError();
    }
    const controller = new AbortController();
    const work = loadModel(options, this.context, AbortSignal.any([signal, controller.signal]));
    this.loading = { controller, done: work.catch(() => undefined) };
    try {
      this.served = await work;
    } catch (error) {
      this.context.loadedModels.withdraw();
      throw error;
    } finally {
      this.loading = undefined;
    }
    this.cpuThreads = options.cpuThreads;
    this.tokenizers.keep(options.source, this.served.text.tokenizer);
    this.context.onMemoryUse(this.served.memory());
    return this.served.loaded;
  }

  private model(): ServedModel {
    if (this.served === undefined) {
      throw new NothingLoadedError();
    }
    return this.served;
  }

  private async textSource(source: string | undefined): Promise<TextSource> {
    if (source === undefined) {
      return this.model().text;
    }
    const { env, bundlePath } = this.context;
    return { tokenizer: await this.tokenizers.get(source), folder: source, env, bundlePath };
  }
}
