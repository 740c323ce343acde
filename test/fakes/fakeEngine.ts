import { CancelledError, type GlmError } from '../../src/common/errors';
import { cpuDevice } from '../../src/common/deviceId';
import type { ContextLimit, EngineContract, LoadedModel, LoadOptions, ModelDescription, PromptInput } from '../../src/common/protocol/engine';
import { defaultLength, greedySampling, type StopReason } from '../../src/common/sampling';
import type { RpcHandlers } from '../../src/common/protocol/rpc';
import type { FakeChild } from './fakeChild';
import { fakeForecast, fakeGenerationProfile, fakeOperatorProfiles, fakePlacement } from './fakeProfile';

export const fakeDescription: ModelDescription = {
  name: 'fake-glm4',
  folder: '/models/fake-glm4',
  architecture: 'glm4',
  numLayers: 2,
  hiddenSize: 128,
  intermediateSize: 256,
  numHeads: 8,
  numKvHeads: 2,
  headDim: 32,
  vocabSize: 512,
  maxContextTokens: 4096,
  parameterCount: 1_000_000,
  fileDtype: 'bf16',
  fileBytes: 2_000_000,
  hasChatTemplate: true,
  eosTokenIds: [1],
  isDemo: false,
  thinks: false,
};

export const fakeLoadOptions: LoadOptions = {
  source: '/models/fake-glm4',
  provider: 'cpu',
  weights: 'int4',
  kvCache: 'auto',
  maxBatch: 1,
  deviceMap: { kind: 'auto' },
  allowSoftwareGpu: false,
  cacheFolder: '/tmp/none',
  alignment: 'off',
};

export const fakeLoadedModel: LoadedModel = {
  description: fakeDescription,
  plan: {
    stages: [],
    weightFormat: 'int4',
    kvFormat: 'f32',
    contextTokens: 4096,
    largestContextTokens: 4096,
    largestContextAsPlacedTokens: 4096,
    warnings: [],
  },
  assignments: [],
  memory: [{ device: cpuDevice, weightBytes: 1000, kvBytes: 100, stagingBytes: 0 }],
  weights: 'int4',
  kvCache: 'f32',
  contextTokens: 4096,
  maxBatch: 1,
  loadMs: 1,
  runtimeVersion: '1.30.0',
};

export interface FakeEngineBehaviour {
  /** What `generate` streams, one piece per token. Default five. */
  readonly tokens?: readonly string[];
  /** Wait between tokens and load steps. Default: one turn of the event loop. */
  readonly pause?: () => Promise<void>;
  /** Thrown by `generate` for a prompt. */
  readonly refuses?: (prompt: PromptInput) => GlmError | undefined;
  /** Thrown by `model-load`. */
  readonly loadError?: GlmError;
  /** Called with the child before each token, so that a test can kill it there. */
  readonly onToken?: (child: FakeChild<EngineContract>, index: number) => void;
  /** Told before the first token. */
  readonly contextLimit?: Omit<ContextLimit, 'generationId'>;
  /** Called with the child at the start of a load. */
  readonly onLoad?: (child: FakeChild<EngineContract>) => void;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An engine that streams fixed tokens: token i of a generation has id 100 + i. A prompt's ids are its characters' codes. */
export function fakeEngineHandlers(behaviour: FakeEngineBehaviour = {}): (child: FakeChild<EngineContract>) => RpcHandlers<EngineContract> {
  const pause = behaviour.pause ?? turn;
  const tokens = behaviour.tokens ?? ['Hel', 'lo', ', ', 'wor', 'ld'];
  const idsOf = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);
  return (child) => ({
    'checkpoints-list': () => [],
    'model-describe': () => fakeDescription,
    'model-plan': () => ({ description: fakeDescription, plan: fakeLoadedModel.plan }),
    'model-load': async (_options, signal) => {
      behaviour.onLoad?.(child);
      for (let step = 1; step <= 4; step += 1) {
        await pause();
        if (signal.aborted) {
          throw new CancelledError('Loading the model');
        }
        child.server.emit('model-load-progress', { phase: 'loading', device: cpuDevice, doneBytes: step * 250, totalBytes: 1000 });
      }
      if (behaviour.loadError !== undefined) {
        throw behaviour.loadError;
      }
      return fakeLoadedModel;
    },
    'model-unload': () => ({ freedBytes: 1100 }),
    generate: async ({ generationId, prompt, options, profile }, signal) => {
      const refusal = behaviour.refuses?.(prompt);
      if (refusal !== undefined) {
        throw refusal;
      }
      const promptTokens = prompt.kind === 'ids' ? prompt.ids.length : prompt.kind === 'text' ? prompt.text.length : prompt.chat.messages.map((message) => message.content).join('').length;
      child.server.emit('prefill-progress', { generationId, doneTokens: promptTokens, totalTokens: promptTokens, reusedTokens: 0 });
      if (behaviour.contextLimit !== undefined) {
        child.server.emit('context-limit', { generationId, ...behaviour.contextLimit });
      }
      const ids: number[] = [];
      let text = '';
      let stopReason: StopReason = 'eos';
      for (const [index, piece] of tokens.entries()) {
        if (index >= options.maxNewTokens) {
          stopReason = 'length';
          break;
        }
        behaviour.onToken?.(child, index);
        await pause();
        if (signal.aborted) {
          stopReason = 'cancelled';
          break;
        }
        ids.push(100 + index);
        text += piece;
        child.server.emit('token-delta', { generationId, text: piece, ids: [100 + index], generatedTokens: ids.length, elapsedMs: ids.length });
      }
      return {
        generationId,
        ids,
        text,
        stopReason,
        promptTokens,
        reusedTokens: 0,
        ttftMs: 1,
        tpotMs: 2,
        decodeTokensPerSecond: 500,
        prefillTokensPerSecond: 1000,
        tokenizeMs: 0,
        totalMs: ids.length * 2,
        queuedMs: 0,
        peakMemoryBytes: { cpu: 1100 },
        ...(profile === true ? { profile: fakeGenerationProfile(generationId, promptTokens, ids.length) } : {}),
      };
    },
    score: ({ ids }) => ({ logProbs: ids.slice(1).map(() => Math.log(0.25)), bestIds: ids.slice(1) }),
    'memory-bandwidth': () => [{ device: cpuDevice, bytesPerSecond: 20e9 }],
    'profile-operators': ({ promptTokens, decodeSteps }) => fakeOperatorProfiles(promptTokens, decodeSteps),
    'placement-map': () => ({ placement: fakePlacement, forecast: fakeForecast }),
    logits: ({ ids }) => ({ logits: ids.map((id) => id / 2) }),
    tokenize: ({ text }) => ({ ids: idsOf(text) }),
    detokenize: ({ ids }) => ({ text: String.fromCodePoint(...ids) }),
    'render-chat': ({ chat }) => {
      const text = chat.messages.map((message) => `<|${message.role}|>${message.content}`).join('');
      return { text, ids: idsOf(text) };
    },
    'memory-report': () => fakeLoadedModel.memory,
    'conversation-forget': () => ({}),
  });
}

export const fakeGenerate = {
  generationId: 'g1',
  prompt: { kind: 'text', text: 'Hi' },
  options: { ...greedySampling, ...defaultLength },
} as const;
