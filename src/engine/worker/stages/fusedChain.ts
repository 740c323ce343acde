/** Decodes one sequence over all stages with the fused kernels; prefill and batches stay with the runtime's. One chain per slot, made on first use. */

import type { GlmConfig } from '../../../model/config';
import { storedName } from '../../../model/storedTensors';
import { modelWeightSpecs, type LinearSpec, type WeightSpec } from '../../../model/weightSpecs';
import type { StepLogits } from '../../../generation/stepRunner';
import type { CudaContext } from '../../../cuda/cudaContext';
import { FusedDecoder, type FusedLayer, type FusedMatrix, type FusedStage } from '../../../cuda/decode/fusedDecoder';
import { fusedDecodingObstacle, type FusedModel } from '../../../cuda/decode/fusedModel';
import { CudaEvent } from '../../../cuda/cudaStream';
import type { Value } from '../../../ort/value';
import { cudaMemoryOf, isCudaMemory } from './cudaDevice';
import { decodeKernelImage, fusedModel } from './decodeKernels';
import type { TimedCopy } from '../../../profiling/phaseRecorder';
import type { ProfiledNode } from '../../../common/profile';
import { kernelNodes } from '../profile/kernelNodes';
import type { KernelSteps, SlotDecoder } from './slotDecoder';
import type { Stage } from './stage';

export class FusedChain implements SlotDecoder {
  private readonly bySlot = new Map<number, readonly FusedDecoder[]>();
  /** By stage: its session has done what was queued before this step. */
  private readonly settled: readonly CudaEvent[];
  /** By stage: its hidden states lie where the next one reads them. */
  private readonly sent: readonly CudaEvent[];
  private copies: CopyClock | undefined;
  /** By stage, of a cache in i8: f32[layers, 2, numKvHeads, headDim], keys before values. */
  private readonly kvScales: readonly (Value | undefined)[];

  private constructor(
    private readonly config: GlmConfig,
    private readonly stages: readonly Stage[],
    private readonly model: FusedModel,
    private readonly images: readonly Buffer[],
  ) {
    const contexts = stages.map((stage) => cudaMemoryOf(stage).context);
    this.settled = contexts.map((context) => new CudaEvent(context));
    this.sent = contexts.map((context) => new CudaEvent(context));
    this.kvScales = stages.map(placeKvScales);
    contexts.forEach((context, index) => index > 0 && context.enablePeerAccess(contexts[index - 1] as CudaContext));
    contexts.forEach((context, index) => index > 0 && contexts[index - 1]?.enablePeerAccess(context));
  }

  /**
   * @returns the chain, or in words why these stages can't have one.
   * @throws {KernelCompileError} when NVRTC is not there.
   */
  static async tryCreate(config: GlmConfig, stages: readonly Stage[], contextTokens: number): Promise<FusedChain | string> {
    const precision = stages[0]?.parts.precision;
    if (precision === undefined || stages.some(({ parts }) => !isCudaMemory(parts.memory))) {
      return 'not every stage is on a CUDA device';
    }
    if (stages.some(({ parts }) => parts.precision.weights !== precision.weights || parts.precision.kv !== precision.kv || parts.precision.activations !== 'bf16')) {
      return 'the stages differ in precision, or compute in something else than bf16';
    }
    const model = fusedModel(config, precision, contextTokens);
    for (const stage of stages) {
      const obstacle = fusedDecodingObstacle(model, cudaMemoryOf(stage).context.facts);
      if (obstacle !== undefined) {
        return obstacle;
      }
    }
    const images: Buffer[] = [];
    for (const stage of stages) {
      images.push(await decodeKernelImage(cudaMemoryOf(stage).context, model));
    }
    return new FusedChain(config, stages, model, images);
  }

  /** Machine code of the kernels for one stage's device. */
  imageOf(stageIndex: number): Buffer {
    return this.images[stageIndex] as Buffer;
  }

  get scratchBytes(): number {
    return [...this.bySlot.values()].flat().reduce((sum, decoder) => sum + decoder.scratchBytes, 0);
  }

  /** Appends `tokenId` at `position` of a slot. The logits are valid until the next step. */
  decode(slot: number, tokenId: number, position: number): StepLogits {
    const decoders = this.decodersOf(slot);
    for (const [index, decoder] of decoders.entries()) {
      const { context, stream } = cudaMemoryOf(this.stages[index] as Stage);
      const [settled, sent] = [this.settled[index] as CudaEvent, this.sent[index - 1]];
      // Both write the same cache; a batch step that was queued ahead and is not wanted any more may still be under way.
      stream.record(settled);
      decoder.stream.waitFor(settled);
      decoder.prepare(tokenId, position);
      const before = decoders[index - 1];
      if (before !== undefined && sent !== undefined) {
        this.copies?.mark(index - 1, 'copying', before);
        before.stream.copy(decoder.hiddenInput, before.hiddenOutput, this.model.hiddenSize * 4, context);
        this.copies?.mark(index - 1, 'copied', before);
        before.stream.record(sent);
        decoder.stream.waitFor(sent);
      }
      this.copies?.mark(index, 'started', decoder);
      decoder.start();
    }
    const last = decoders[decoders.length - 1] as FusedDecoder;
    const top = last.readTop();
    this.copies?.tell(this.model.hiddenSize * 4);
    return { top, full: () => Promise.resolve(last.readLogits()) };
  }

  /** Stages are timed one after the other on their devices' own clocks, copies between them left out. */
  timeKernels(slot: number, tokenId: number, position: number, steps: number): KernelSteps {
    const decoders = this.decodersOf(slot);
    // Also lets what is still queued on the sessions' streams come first; the first of them is not typical.
    const capturedMs = [0, 1, 2].map(() => {
      const startedMs = performance.now();
      this.decode(slot, tokenId, position);
      return performance.now() - startedMs;
    });
    const stageMs = Math.min(...capturedMs) / decoders.length;
    const busySteps = decoders.map((decoder) => Math.min(mostBusySteps, Math.ceil((1.5 * decoder.timeKernels(tokenId, position, 0).queueMs) / stageMs)));
    const nodes: ProfiledNode[] = [];
    const startsUs: number[] = [];
    const durationsUs: number[] = [];
    const timed: { startMs: number; durationMs: number }[] = [];
    for (let step = 0; step < steps; step += 1) {
      const startMs = timed.reduce((sum, { durationMs }) => sum + durationMs, 0);
      let doneMs = 0;
      for (const [index, decoder] of decoders.entries()) {
        const { placement, device, precision } = (this.stages[index] as Stage).parts;
        const { kernels } = decoder.timeKernels(tokenId, position, busySteps[index] ?? 0);
        if (step === 0) {
          nodes.push(...kernelNodes(kernels.map(({ name }) => name), this.model, { stageIndex: placement.stageIndex, device: device.id, firstLayer: placement.firstLayer, contextTokens: position, blockSize: precision.blockSize }));
        }
        kernels.forEach((kernel) => {
          startsUs.push((startMs + doneMs + kernel.startMs) * 1000);
          durationsUs.push(kernel.durationMs * 1000);
        });
        doneMs += kernels.reduce((sum, { durationMs }) => sum + durationMs, 0);
      }
      timed.push({ startMs, durationMs: doneMs });
    }
    return { nodes, steps: timed, startsUs, durationsUs };
  }

  listenToCopies(listener: ((copy: TimedCopy) => void) | undefined): void {
    this.copies?.[Symbol.dispose]();
    this.copies = listener === undefined || this.stages.length < 2 ? undefined : new CopyClock(this.stages, listener);
  }

  [Symbol.dispose](): void {
    this.copies?.[Symbol.dispose]();
    for (const decoders of this.bySlot.values()) {
      decoders.forEach((decoder) => decoder.dispose());
    }
    this.bySlot.clear();
    [...this.settled, ...this.sent].forEach((event) => event[Symbol.dispose]());
    this.kvScales.forEach((value, index) => value !== undefined && cudaMemoryOf(this.stages[index] as Stage).release(value));
  }

  private decodersOf(slot: number): readonly FusedDecoder[] {
    let decoders = this.bySlot.get(slot);
    if (decoders === undefined) {
      decoders = this.stages.map((stage, index) => FusedDecoder.create(cudaMemoryOf(stage).context, this.model, describeStage(this.config, stage, slot, this.kvScales[index]), this.images[index] as Buffer));
      this.bySlot.set(slot, decoders);
    }
    return decoders;
  }
}

/** Captured steps that keep a device busy while the host queues one kernel by kernel. */
const mostBusySteps = 200;

type CopyMoment = 'started' | 'copying' | 'copied';

/** Times copies between stages by their devices: each one's clock counts from when it started its part of the step. */
class CopyClock implements Disposable {
  private readonly events: readonly Readonly<Record<CopyMoment, CudaEvent>>[];
  private startedMs = 0;

  constructor(
    private readonly stages: readonly Stage[],
    private readonly listener: (copy: TimedCopy) => void,
  ) {
    this.events = stages.map((stage) => {
      const event = (): CudaEvent => new CudaEvent(cudaMemoryOf(stage).context, 'timing');
      return { started: event(), copying: event(), copied: event() };
    });
  }

  mark(stageIndex: number, moment: CopyMoment, decoder: FusedDecoder): void {
    if (stageIndex === 0 && moment === 'started') {
      this.startedMs = performance.now();
    }
    decoder.stream.record((this.events[stageIndex] as Readonly<Record<CopyMoment, CudaEvent>>)[moment]);
  }

  /** The step has been waited for. */
  tell(bytes: number): void {
    let atMs = this.startedMs;
    this.events.slice(0, -1).forEach(({ started, copying, copied }, index) => {
      const [startMs, durationMs] = [atMs + copying.msSince(started), copied.msSince(copying)];
      atMs = startMs + durationMs;
      const [from, to] = [this.stages[index], this.stages[index + 1]].map((stage) => (stage as Stage).parts.device.id);
      this.listener({ startMs, durationMs, bytes, tokens: 1, from, to, clock: 'device' });
    });
  }

  [Symbol.dispose](): void {
    this.events.forEach((each) => Object.values(each).forEach((event) => event[Symbol.dispose]()));
  }
}

/** The scales of a stage's layers on its device; undefined for a cache that needs none. */
function placeKvScales(stage: Stage): Value | undefined {
  const { kvScales, precision, placement } = stage.parts;
  if (precision.kv !== 'i8' || kvScales === undefined) {
    return undefined;
  }
  const memory = cudaMemoryOf(stage);
  const numbers = kvScales.slice(placement.firstLayer, placement.endLayer).flatMap(({ key, value }) => [...key, ...value]);
  const placed = memory.allocate('f32', [numbers.length]);
  memory.context.upload(placed.dataAddress, Float32Array.from(numbers));
  return placed;
}

/** The device addresses of a stage's weights and of one slot's keys and values. q, k and v are rows of one stored matrix. */
function describeStage(config: GlmConfig, stage: Stage, slot: number, kvScales: Value | undefined): FusedStage {
  const memory = cudaMemoryOf(stage);
  const { placement, kv, precision } = stage.parts;
  const specs = modelWeightSpecs(config);
  const isDense = precision.weights === 'bf16';
  const blockBytes = (precision.blockSize * (precision.weights === 'int8' ? 8 : 4)) / 8;
  const vector = (spec: WeightSpec): bigint => memory.addressOf(storedName(spec, 'dense'));
  const optional = (spec: WeightSpec | undefined): bigint | undefined => (spec === undefined ? undefined : vector(spec));
  const matrix = (spec: LinearSpec, firstRow = 0): FusedMatrix => {
    const blocks = spec.inFeatures / precision.blockSize;
    return isDense
      ? { weights: memory.addressOf(storedName(spec, 'dense')) + BigInt(firstRow * spec.inFeatures * 2) }
      : {
          weights: memory.addressOf(storedName(spec, 'values')) + BigInt(firstRow * blocks * blockBytes),
          scales: memory.addressOf(storedName(spec, 'scales')) + BigInt(firstRow * blocks * 2),
        };
  };
  const [querySize, kvSize] = [config.numHeads * config.headDim, config.numKvHeads * config.headDim];
  const layers = specs.layers.slice(placement.firstLayer, placement.endLayer).map((layer, index): FusedLayer => {
    const rows = kv.rows(placement.firstLayer + index, slot, 1);
    if (rows === undefined) {
      throw new RangeError(`slot ${slot} has no cache`);
    }
    const bias = layer.qkv.biasSources.length === 0 ? undefined : memory.addressOf(storedName(layer.qkv, 'bias'));
    const scalesAt = (part: number): bigint | undefined => (kvScales === undefined ? undefined : kvScales.dataAddress + BigInt((2 * index + part) * kvSize * 4));
    const biasFrom = (row: number): bigint | undefined => (bias === undefined ? undefined : bias + BigInt(row * 2));
    return {
      inputNorm: vector(layer.inputNorm),
      q: matrix(layer.qkv),
      k: matrix(layer.qkv, querySize),
      v: matrix(layer.qkv, querySize + kvSize),
      qBias: biasFrom(0),
      kBias: biasFrom(querySize),
      vBias: biasFrom(querySize + kvSize),
      o: matrix(layer.attentionOutput),
      postSelfAttentionNorm: optional(layer.postSelfAttentionNorm),
      postAttentionNorm: vector(layer.preMlpNorm),
      gateUp: matrix(layer.gateUp),
      down: matrix(layer.down),
      postMlpNorm: optional(layer.postMlpNorm),
      keyCache: rows.key.dataAddress,
      valueCache: rows.value.dataAddress,
      keyScales: scalesAt(0),
      valueScales: scalesAt(1),
    };
  });
  return {
    layers,
    embedding: placement.hasEmbedding ? vector(specs.embedding) : undefined,
    ...(placement.hasHead ? { finalNorm: vector(specs.finalNorm), head: matrix(specs.head) } : {}),
  };
}
