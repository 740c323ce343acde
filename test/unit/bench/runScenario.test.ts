import { describe, expect, it } from 'vitest';
import { runScenario as run, type BenchmarkEngine, type ScenarioHooks, type ScenarioProgress } from '../../../src/bench/runScenario';
import { alignmentScenario } from '../../../src/bench/scenarios/alignment';
import { chatAgainstBaseScenario } from '../../../src/bench/scenarios/chatAgainstBase';
import { defaultSettings } from '../../../src/bench/scenarios/scenario';
import { scenarioByName, scenarioNames } from '../../../src/bench/scenarios/scenarioByName';
import { standardScenario } from '../../../src/bench/scenarios/standard';
import { precisionScenario } from '../../../src/bench/scenarios/sweeps';
import { GlmError } from '../../../src/common/errors';
import type { EngineContract, GenerateParams, GenerateResult, LoadedModel, LoadOptions, ModelDescription } from '../../../src/common/protocol/engine';
import { cpuDevice } from '../../../src/common/deviceId';
import { reportSchemaErrors } from '../../fakes/publishedSchemas';

const base: LoadOptions = {
  source: 'chat',
  provider: 'cpu',
  weights: 'int4',
  kvCache: 'auto',
  maxBatch: 1,
  deviceMap: { kind: 'auto' },
  allowSoftwareGpu: false,
  cacheFolder: 'cache',
  alignment: 'autoFix',
};

function description(source: string, changes: Partial<ModelDescription> = {}): ModelDescription {
  return {
    name: source,
    folder: `/models/${source}`,
    architecture: 'glm4',
    numLayers: 2,
    hiddenSize: 64,
    intermediateSize: 128,
    numHeads: 2,
    numKvHeads: 1,
    headDim: 32,
    vocabSize: 512,
    maxContextTokens: 1024,
    parameterCount: 1,
    fileDtype: 'bf16',
    fileBytes: 1,
    hasChatTemplate: source !== 'base',
    eosTokenIds: source === 'base' ? [500] : [500, 501],
    isDemo: false,
    thinks: false,
    ...changes,
  };
}

interface FakeEngineOptions {
  readonly failLoadOf?: string;
  readonly onGenerate?: (call: number) => void;
}

/** Engines that answer at once; remembers what they were asked. */
class FakeEngines {
  readonly loads: LoadOptions[] = [];
  readonly asked: GenerateParams[] = [];
  ended = 0;
  constructor(private readonly options: FakeEngineOptions = {}) {}

  start = (): BenchmarkEngine => {
    let source = '';
    let weights = '';
    const requests: { [M in 'model-load' | 'conversation-forget' | 'memory-bandwidth' | 'tokenize' | 'detokenize' | 'render-chat' | 'score']: (params: EngineContract['requests'][M]['params']) => EngineContract['requests'][M]['result'] } = {
      'model-load': (params) => {
        this.loads.push(params);
        ({ source, weights } = params);
        if (params.source === this.options.failLoadOf || params.weights === this.options.failLoadOf) {
          throw new GlmError('does-not-fit', 'It does not fit.');
        }
        return {
          description: description(params.source),
          plan: { stages: [{ stageIndex: 0, device: cpuDevice, provider: 'cpu', firstLayer: 0, endLayer: 2, hasEmbedding: true, hasHead: true, weightBytes: 0, kvBytes: 0, activationBytes: 0 }], weightFormat: 'int4', kvFormat: 'f32', contextTokens: 1024, largestContextTokens: 1024, largestContextAsPlacedTokens: 1024, warnings: [] },
          assignments: [],
          memory: [],
          weights: params.weights === 'auto' ? 'int4' : params.weights,
          kvCache: 'f32',
          contextTokens: 1024,
          maxBatch: 1,
          loadMs: 1,
          runtimeVersion: '1.30.0',
          decodeReads: [{ device: cpuDevice, weightBytes: 1_000_000, kvBytesPerPosition: 0 }],
        } satisfies LoadedModel;
      },
      'conversation-forget': () => ({}),
      'memory-bandwidth': () => [{ device: cpuDevice, bytesPerSecond: 1e9 }],
      tokenize: ({ text, mode }) => ({ ids: mode === 'special' ? [500] : [...text].map((character) => (character.codePointAt(0) ?? 0) % 500) }),
      detokenize: ({ ids }) => ({ text: ids.join(' ') }),
      'render-chat': ({ chat }) => ({ text: '', ids: chat.messages.flatMap(({ role, content }) => [role === 'user' ? 501 : 502, ...[...(content ?? '')].map((character) => (character.codePointAt(0) ?? 0) % 500)]).concat(chat.addGenerationPrompt === false ? [] : [502]) }),
      // The format decides how sure the model is.
      score: ({ ids }) => ({ logProbs: ids.slice(1).map(() => (weights === 'int4' ? Math.log(0.2) : Math.log(0.25))), bestIds: ids.slice(1).map((id, index) => (weights === 'int4' && index % 4 === 0 ? id + 1 : id)) }),
    };
    return {
      pid: 1,
      request: async (method, params) => {
        await Promise.resolve();
        return requests[method as 'model-load'](params as LoadOptions) as never;
      },
      on: () => () => undefined,
      generate: async (params): Promise<GenerateResult> => {
        await Promise.resolve();
        this.asked.push(params);
        this.options.onGenerate?.(this.asked.length);
        const natural = !params.options.ignoreEos;
        const stops = natural && source === 'chat';
        const count = stops ? 9 : params.options.maxNewTokens;
        return {
          generationId: params.generationId,
          ids: Array.from({ length: count }, () => 1),
          text: '',
          stopReason: stops ? 'eos' : 'length',
          promptTokens: 1,
          reusedTokens: 0,
          ttftMs: 10,
          tpotMs: 2,
          decodeTokensPerSecond: 500,
          prefillTokensPerSecond: 100,
          tokenizeMs: 0,
          totalMs: 1,
          queuedMs: 0,
          peakMemoryBytes: {},
        };
      },
      end: () => Promise.resolve(void (this.ended += 1)),
    };
  };
}

function hooks(engines: FakeEngines, changes: Partial<ScenarioHooks> = {}): ScenarioHooks {
  let nowMs = 0;
  return {
    startEngine: engines.start,
    environment: () => Promise.resolve({ extensionVersion: '0', nodeVersion: '20', platform: 'linux', cpu: 'c', logicalCores: 2, memoryBytes: 1, devices: [] }),
    nowMs: () => (nowMs += 10),
    ...changes,
  };
}

/** Whatever a test is about, its report has to be one of the published schema. */
const runScenario: typeof run = async (...args) => {
  const report = await run(...args);
  expect(reportSchemaErrors(report)).toEqual([]);
  return report;
};

describe('runScenario', () => {
  it.each(scenarioNames)('makes a report of the published schema of %s', async (name) => {
    const report = await runScenario(scenarioByName(name, base, [], { secondSource: 'base' }), defaultSettings, hooks(new FakeEngines()));
    expect(report.scenario).toBe(name);
    expect(report.cases.length).toBeGreaterThan(0);
  });

  it('does not try what is only held against a load that failed, in no round', async () => {
    const engines = new FakeEngines({ failLoadOf: 'none' });
    const alignment = alignmentScenario({ ...base, provider: 'webgpu' });
    const loads = alignment.loads.map((plan) => ({ ...plan, load: { ...plan.load, source: plan.label === 'aligned, two stages' ? 'none' : 'chat' } }));
    const report = await runScenario({ ...alignment, loads }, { warmupRuns: 0, repetitions: 1 }, hooks(engines));
    expect(engines.loads.filter(({ source }) => source === 'none')).toHaveLength(1);
    expect(report.cases.some(({ name }) => name.startsWith('hidden state'))).toBe(false);
    expect(report.cases.some(({ name }) => name.startsWith('KV cache on cpu'))).toBe(true);
    expect(report.notes.filter((note) => note.includes('could not be measured'))).toEqual(['aligned, two stages could not be measured: It does not fit.']);
  });

  it('fails with the reason of the first load when nothing can be compared', async () => {
    const engines = new FakeEngines({ failLoadOf: 'chat' });
    await expect(runScenario(alignmentScenario({ ...base, provider: 'webgpu' }), { warmupRuns: 0, repetitions: 1 }, hooks(engines))).rejects.toThrow('It does not fit.');
    expect(engines.loads).toHaveLength(2);
  });

  it('measures what fits the context and names what does not', async () => {
    const engines = new FakeEngines();
    const report = await runScenario(standardScenario(base), defaultSettings, hooks(engines));
    expect(report.cases.map((each) => each.name)).toEqual(['prompt 512, 128 new', 'prompt 512, 256 new']);
    expect(report.notes).toEqual(['"prompt 4096, 128 new" was left out: 4224 tokens exceed the model\'s 1024.']);
    expect(report.environment.runtimeVersion).toBe('1.30.0');
    expect(engines.ended).toBe(1);
  });

  it('never uses a stop token inside a benchmark prompt', async () => {
    const engines = new FakeEngines();
    await runScenario(standardScenario(base), defaultSettings, hooks(engines));
    const ids = engines.asked.flatMap((asked) => (asked.prompt.kind === 'ids' ? asked.prompt.ids : []));
    expect(Math.max(...ids)).toBeLessThan(500);
    expect(Math.max(...ids)).toBeGreaterThan(450);
  });

  it('counts progress to the end and guesses the time left from its pace', async () => {
    const seen: ScenarioProgress[] = [];
    await runScenario(standardScenario(base, [{ name: 'short', promptTokens: 4, newTokens: 4, concurrency: 1 }]), defaultSettings, hooks(new FakeEngines(), { onProgress: (progress) => seen.push(progress) }));
    expect(seen.at(-1)).toMatchObject({ doneRuns: 6, totalRuns: 6, remainingMs: 0 });
    expect(seen.find((progress) => progress.doneRuns === 3)?.remainingMs).toBeGreaterThan(0);
  });

  it('goes on after a load that failed, and ends every engine', async () => {
    const engines = new FakeEngines({ failLoadOf: 'int8' });
    const report = await runScenario(precisionScenario(base, ['int4', 'int8', 'f32']), defaultSettings, hooks(engines));
    expect(report.cases.map((each) => each.weights)).toEqual(['int4', 'f32']);
    expect(report.notes).toContain('int8 could not be measured: It does not fit.');
    expect(engines.ended).toBe(3);
  });

  it('lets a second model answer beside a load, and ends both engines', async () => {
    const engines = new FakeEngines();
    const cases = [{ name: 'c', promptTokens: 8, newTokens: 4, concurrency: 1 }];
    const report = await runScenario({ name: 's', title: 's', loads: [{ label: 'shared', load: base, beside: { ...base, source: 'base' }, cases }] }, defaultSettings, hooks(engines));
    expect(report.cases).toHaveLength(1);
    expect(engines.loads.map(({ source }) => source)).toEqual(['base', 'chat']);
    expect(engines.asked.some(({ generationId }) => generationId.startsWith('beside-'))).toBe(true);
    expect(engines.ended).toBe(2);
    const failing = new FakeEngines({ failLoadOf: 'base' });
    await expect(runScenario({ name: 's', title: 's', loads: [{ label: 'shared', load: base, beside: { ...base, source: 'base' }, cases }] }, defaultSettings, hooks(failing))).rejects.toThrow('It does not fit');
    expect(failing.ended).toBe(2);
  });

  it('holds a step against the memory limit, and times text apart', async () => {
    const report = await runScenario(standardScenario(base), defaultSettings, hooks(new FakeEngines()));
    // 1 MB at 1 GB/s is 1 ms; the fake's TPOT is 2 ms.
    expect(report.cases[0]?.bandwidth).toMatchObject({ readBytesPerToken: 1_000_000, limitTpotMs: 1, fractionOfLimit: 0.5 });
    expect(report.cases[0]?.load).toEqual({ contextTokens: 1024, maxBatch: 1, kvCache: 'f32', stages: ['cpu: layers 0 to 1'] });
    expect(report.cases[0]?.shape).toMatchObject({ architecture: 'glm4', numLayers: 2, parameterCount: 1 });
    expect(report.textTimes).toHaveLength(1);
    expect(report.textTimes?.[0]?.renderChatMs?.count).toBe(5);
  });

  it('scores the bundled text in every format, against the first', async () => {
    const report = await runScenario(precisionScenario(base, ['f32', 'int4']), defaultSettings, hooks(new FakeEngines()));
    const [first, second] = report.cases.map((each) => each.quality);
    expect(first?.perplexity).toBeCloseTo(4, 6);
    expect(first).not.toHaveProperty('perplexityRatio');
    expect(second?.perplexityRatio).toBeCloseTo(1.25, 6);
    expect(second?.tokenAgreement).toBeCloseTo(0.75, 2);
    expect(report.notes.join('\n')).toContain('int4: perplexity 5.000');
    expect(report.notes.join('\n')).toContain('25.00 % above');
  });

  it('says what was going on before the first load', async () => {
    const telemetry = { since: () => [{ timeMs: 0, devices: [{ id: cpuDevice, utilizationPercent: 50 }] }], now: () => 0 };
    const report = await runScenario(standardScenario(base), defaultSettings, hooks(new FakeEngines(), { telemetry }));
    expect(report.before).toEqual(['cpu was busy to 50 %']);
  });

  it('fails with the reason when nothing was measured', async () => {
    await expect(runScenario(standardScenario(base), defaultSettings, hooks(new FakeEngines({ failLoadOf: 'chat' })))).rejects.toMatchObject({ code: 'does-not-fit' });
  });

  it('ends an engine that does not hear of a cancel, and keeps the finished cases', async () => {
    const controller = new AbortController();
    const engines = new FakeEngines();
    let started = 0;
    const startEngine = (): BenchmarkEngine => {
      const engine = engines.start();
      started += 1;
      if (started === 1) {
        return engine;
      }
      // In the middle of a native call: nothing is answered until the process is gone.
      let lose: (error: Error) => void = () => undefined;
      const lost = new Promise<never>((_resolve, reject) => (lose = reject));
      lost.catch(() => undefined);
      return {
        ...engine,
        request: () => {
          setTimeout(() => controller.abort(), 1);
          return lost;
        },
        end: () => {
          lose(new GlmError('engine-ended', 'The engine process was ended on request.'));
          return engine.end();
        },
      };
    };
    const report = await runScenario(precisionScenario(base, ['f32', 'int8', 'int4']), defaultSettings, { ...hooks(engines), startEngine, signal: controller.signal, cancelLimitMs: 5 });
    expect(report.cases.map(({ weights }) => weights)).toEqual(['f32']);
    expect(report.notes).toContain('Cancelled at int8; what was measured before is kept.');
    expect(started).toBe(2);
  });

  it('stops loading after a cancel and keeps the finished cases', async () => {
    const controller = new AbortController();
    const engines = new FakeEngines({ onGenerate: (call) => void (call === 6 && controller.abort()) });
    const report = await runScenario(precisionScenario(base, ['int4', 'int8']), defaultSettings, hooks(engines, { signal: controller.signal }));
    expect(report.cases).toHaveLength(1);
    expect(report.notes).toContain('Cancelled at int8; what was measured before is kept.');
    expect(engines.loads).toHaveLength(1);
  });

  it('calls a checkpoint by its folder’s own name, in progress and notes', async () => {
    const engines = new FakeEngines({ failLoadOf: '/home/somebody/models/base' });
    const labels: string[] = [];
    const onProgress = ({ label, phase }: ScenarioProgress): void => void (phase === 'loading' && labels.push(label));
    const report = await runScenario(chatAgainstBaseScenario(base, ['/home/somebody/models/chat', '/home/somebody/models/base']), defaultSettings, { ...hooks(engines), onProgress });
    expect(new Set(labels)).toEqual(new Set(['chat', 'base']));
    expect(report.notes.join()).toMatch(/(^|,)base could not be measured: /);
  });
});

describe('chatAgainstBaseScenario', () => {
  it('shows natural stops apart, says what can affect speed, and finds equal speed at equal length', async () => {
    const report = await runScenario(chatAgainstBaseScenario(base, ['chat', 'base']), defaultSettings, hooks(new FakeEngines()));
    const text = report.notes.join('\n');
    expect(report.cases).toHaveLength(2);
    expect(text).toContain('the same shape');
    expect(text).toContain('eosTokenIds: [500,501] against [500]');
    expect(text).toContain('equally fast');
    expect(text).toContain('chat stopped by itself after 9 tokens');
    expect(text).toContain('base ran to the limit of 256 tokens');
  });
});
