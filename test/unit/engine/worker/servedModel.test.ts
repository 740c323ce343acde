import { describe, expect, it } from 'vitest';
import { CancelledError } from '../../../../src/common/errors';
import { defaultLength, greedySampling } from '../../../../src/common/sampling';
import type { GenerateParams, PrefillProgress, TokenDelta } from '../../../../src/common/protocol/engine';
import { openModel } from '../../../../src/engine/worker/planModel';
import { ServedModel, type ServedRunner } from '../../../../src/engine/worker/servedModel';
import { cpuDevice } from '../../../../src/common/deviceId';
import { checkpointFolder } from '../../../fakes/checkpoints';
import { fakeLoadedModel } from '../../../fakes/fakeEngine';
import { fakeOperatorProfiles } from '../../../fakes/fakeProfile';
import { phaseTable } from '../../../../src/profiling/phaseTable';

/** A runner whose steps never leave the thread, as short steps of a small model do not. The next token is always the last one + 1. */
class InstantRunner implements ServedRunner {
  readonly vocabSize = 600;
  readonly contextTokens = 5000;
  readonly maxBatch = 1;
  readonly prefillChunkTokens = 8;
  isDisposed = false;
  interrupts = 0;
  /** Held by a test to keep a prefill under way. */
  prefillGate: Promise<void> | undefined;
  private used = 0;
  private breakOff: (() => void) | undefined;

  length(): number {
    return this.used;
  }

  rewindTo(_slot: number, length: number): void {
    this.used = length;
  }

  async prefill(_slot: number, ids: Int32Array, wantLogits: boolean) {
    if (this.prefillGate !== undefined) {
      await Promise.race([this.prefillGate, new Promise<void>((_, reject) => (this.breakOff = () => reject(new CancelledError('The run'))))]);
    }
    this.used += ids.length;
    return wantLogits ? this.logitsAfter(ids.at(-1) ?? 0) : undefined;
  }

  decode(rows: readonly { readonly tokenId: number }[]) {
    this.used += 1;
    return Promise.resolve(rows.map(({ tokenId }) => this.logitsAfter(tokenId)));
  }

  interrupt(): void {
    this.interrupts += 1;
    this.breakOff?.();
  }

  memoryUse() {
    if (this.isDisposed) {
      throw new Error('used after it was disposed');
    }
    return [{ device: cpuDevice, weightBytes: 700, kvBytes: 50, stagingBytes: 0 }];
  }

  dispose(): Promise<void> {
    this.isDisposed = true;
    return Promise.resolve();
  }

  private logitsAfter(tokenId: number) {
    const row = new Float32Array(this.vocabSize);
    row[(tokenId + 1) % this.vocabSize] = 1;
    return { full: () => Promise.resolve(row) };
  }
}

async function serve() {
  const opened = await openModel(checkpointFolder('tiny-glm'), {});
  const runner = new InstantRunner();
  const deltas: TokenDelta[] = [];
  const prefills: PrefillProgress[] = [];
  const model = new ServedModel({
    loaded: { ...fakeLoadedModel, description: opened.description },
    runner,
    text: { tokenizer: opened.tokenizer, folder: opened.checkpoint.folder, env: {}, bundlePath: 'unused' },
    timer: {
      nowMs: () => performance.now(),
      after: (delayMs, action) => {
        const timer = setTimeout(action, delayMs);
        return () => clearTimeout(timer);
      },
    },
    events: { onDelta: (delta) => deltas.push(delta), onPrefill: (progress) => prefills.push(progress), onContextLimit: () => undefined, onAlignment: () => undefined, onAlignmentResolved: () => undefined },
  });
  return { model, runner, deltas, prefills };
}

const ask = (ids: readonly number[], maxNewTokens: number): GenerateParams => ({
  generationId: 'g',
  prompt: { kind: 'ids', ids },
  options: { ...greedySampling, ...defaultLength, ignoreEos: true, maxNewTokens },
});
const never = new AbortController().signal;

describe('ServedModel', () => {
  it('lets a cancel through between steps that never leave the thread', async () => {
    const { model } = await serve();
    const controller = new AbortController();
    setImmediate(() => setImmediate(() => controller.abort()));
    const result = await model.generate(ask([1, 2], 4000), controller.signal);
    expect(result.stopReason).toBe('cancelled');
    expect(result.ids.length).toBeLessThan(10);
  });

  it('breaks off a prefill that has the runner for itself, with no figures of tokens', async () => {
    const { model, runner, prefills } = await serve();
    runner.prefillGate = new Promise(() => undefined);
    const controller = new AbortController();
    const running = model.generate(ask([1, 2, 3], 5), controller.signal);
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort();
    const result = await running;
    expect(result).toMatchObject({ stopReason: 'cancelled', ids: [], promptTokens: 3 });
    expect(result.ttftMs).toBeUndefined();
    expect(runner.interrupts).toBe(1);
    expect(prefills.every((progress) => progress.doneTokens < 3)).toBe(true);
  });

  it('does not break off a decode step: its text would be lost', async () => {
    const { model, runner, deltas } = await serve();
    const controller = new AbortController();
    const running = model.generate(ask([1], 4000), controller.signal);
    while (deltas.length === 0) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    controller.abort();
    const result = await running;
    expect(runner.interrupts).toBe(0);
    expect(result.ids).toEqual(result.ids.map((_, index) => index + 2));
    expect(deltas.flatMap((delta) => delta.ids)).toEqual(result.ids);
  });

  it('reports its own allocations by device and the process for the CPU', async () => {
    const { model } = await serve();
    const result = await model.generate(ask([1, 2, 3], 3), never);
    expect(result.ids).toEqual([4, 5, 6]);
    expect(result.peakMemoryBytes.cpu).toBeGreaterThan(10_000_000);
  });

  it('gives a text to continue the prefix of the tokenizer, its markers as text', async () => {
    const { model } = await serve();
    const { tokenizer } = model.text;
    const result = await model.generate({ ...ask([], 1), prompt: { kind: 'text', text: 'Hi <|user|>' }, returnPromptIds: true }, never);
    expect(result.promptIds).toEqual([...tokenizer.encode('', 'special'), ...tokenizer.encode('Hi <|user|>', 'plain')]);
    expect(tokenizer.encode('', 'special').length).toBeGreaterThan(0);
  });

  it('frees the runner only when its requests have ended, and says how much', async () => {
    const { model, runner } = await serve();
    const running = model.generate(ask([1], 4000), never);
    await new Promise((resolve) => setImmediate(resolve));
    const freedBytes = await model.dispose();
    expect((await running).stopReason).toBe('cancelled');
    expect(freedBytes).toBe(750);
    expect(runner.isDisposed).toBe(true);
  });

  it('computes logits in chunks, over the whole context, and refuses more', async () => {
    const { model } = await serve();
    const logits = await model.logits([...Array(20).keys()], never);
    expect(logits.indexOf(1)).toBe(20);
    await expect(model.logits(new Array<number>(5001).fill(1), never)).rejects.toMatchObject({ code: 'prompt-too-long' });
    await expect(model.logits([600], never)).rejects.toMatchObject({ code: 'bad-token-id' });
  });

  // Steps of no length: what is around the phases weighs more than in any model. Another process may still take a slice there.
  it('times the phases of a request that asks for it: they make up the whole of it, cancelled or not', { retry: 2 }, async () => {
    const { model } = await serve();
    expect((await model.generate(ask([1, 2, 3], 3), never)).profile).toBeUndefined();
    const startMs = performance.now();
    const { profile } = await model.generate({ ...ask([1, 2, 3], 3000), profile: true }, never);
    const wallMs = performance.now() - startMs;
    expect(profile).toMatchObject({ generationId: 'g', promptTokens: 3, generatedTokens: 3000, clock: 'host', memory: [{ devices: [{ device: cpuDevice, weightBytes: 700 }] }] });
    expect(profile?.spans.filter(({ kind }) => kind === 'decode')).toHaveLength(2999);
    const coveredMs = phaseTable(profile!).covered * profile!.totalMs;
    expect(coveredMs / wallMs).toBeGreaterThan(0.98);
    expect(Math.abs(Date.now() - profile!.submittedAtMs)).toBeLessThan(60_000);

    const controller = new AbortController();
    setTimeout(() => controller.abort(), 5);
    const cut = await model.generate({ ...ask([1], 4000), profile: true }, controller.signal);
    expect(cut.stopReason).toBe('cancelled');
    expect(cut.profile?.generatedTokens).toBe(cut.ids.length);
    expect(phaseTable(cut.profile!).covered).toBeGreaterThan(0.98);
  });

  it('says that nodes can\'t be timed where the runner does not do it, and checks what is asked where it does', async () => {
    const { model, runner } = await serve();
    expect(() => model.profileOperators({ promptTokens: 4, decodeSteps: 2 }, never)).toThrowError(expect.objectContaining({ code: 'operators-unsupported' }) as Error);
    const asked: unknown[] = [];
    (runner as ServedRunner).profileOperators = (slot, params) => Promise.resolve(asked.push([slot, params]) > 0 ? fakeOperatorProfiles(params.promptTokens, params.decodeSteps) : []);
    expect(() => model.profileOperators({ promptTokens: 4000, decodeSteps: 2000 }, never)).toThrowError(expect.objectContaining({ code: 'bad-profile-options' }) as Error);
    const running = model.generate(ask([1], 50), never);
    const profiles = await model.profileOperators({ promptTokens: 4, decodeSteps: 2 }, never);
    expect((await running).ids).toHaveLength(50);
    expect(asked).toEqual([[0, { promptTokens: 4, decodeSteps: 2 }]]);
    // The map tells the times of the last profile.
    const { placement, forecast } = await model.placement();
    expect(placement.nodes).toHaveLength(profiles[0]!.nodes.length);
    expect(forecast).toMatchObject({ contextTokens: 4096, maxBatch: 1, devices: [{ device: cpuDevice, weightBytes: 700 }] });
  });
});
