/** Decodes one sequence over all stages with the fused kernels; prefill and batches stay with the runtime's. One chain per slot, made on first use. */

import type { GlmConfig } from '../../../model/config';
import type { Precision } from '../../../model/precision';
import { storedName } from '../../../model/storedTensors';
import { modelWeightSpecs, type LinearSpec, type WeightSpec } from '../../../model/weightSpecs';
import type { StepLogits } from '../../../generation/stepRunner';
import type { CudaContext } from '../../../cuda/cudaContext';
import { compileFusedKernels, FusedDecoder, fusedDecodingObstacle, type FusedLayer, type FusedMatrix, type FusedModel, type FusedStage } from '../../../cuda/decode/fusedDecoder';
import { CudaEvent } from '../../../cuda/cudaStream';
import { cudaMemoryOf, isCudaMemory } from './cudaDevice';
import type { SlotDecoder } from './slotDecoder';
import type { Stage } from './stage';

export class FusedChain implements SlotDecoder {
  private readonly bySlot = new Map<number, readonly FusedDecoder[]>();
  /** By stage: its session has done what was queued before this step. */
  private readonly settled: readonly CudaEvent[];
  /** By stage: its hidden states lie where the next one reads them. */
  private readonly sent: readonly CudaEvent[];

  private constructor(
    private readonly config: GlmConfig,
    private readonly stages: readonly Stage[],
    private readonly model: FusedModel,
    private readonly images: readonly Buffer[],
  ) {
    const contexts = stages.map((stage) => cudaMemoryOf(stage).context);
    this.settled = contexts.map((context) => new CudaEvent(context));
    this.sent = contexts.map((context) => new CudaEvent(context));
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
    if (stages.some(({ parts }) => parts.precision.weights !== precision.weights || parts.precision.kv !== 'bf16' || parts.precision.activations !== 'bf16')) {
      return 'the stages differ in precision, or are not bf16';
    }
    const model = fusedModel(config, precision, contextTokens);
    const obstacle = fusedDecodingObstacle(model);
    if (obstacle !== undefined) {
      return obstacle;
    }
    const images: Buffer[] = [];
    for (const stage of stages) {
      images.push(await compileFusedKernels(cudaMemoryOf(stage).context, model));
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
        before.stream.copy(decoder.hiddenInput, before.hiddenOutput, this.model.hiddenSize * 4, context);
        before.stream.record(sent);
        decoder.stream.waitFor(sent);
      }
      decoder.start();
    }
    const last = decoders[decoders.length - 1] as FusedDecoder;
    const top = last.readTop();
    return { top, full: () => Promise.resolve(last.readLogits()) };
  }

  [Symbol.dispose](): void {
    for (const decoders of this.bySlot.values()) {
      decoders.forEach((decoder) => decoder.dispose());
    }
    this.bySlot.clear();
    [...this.settled, ...this.sent].forEach((event) => event[Symbol.dispose]());
  }

  private decodersOf(slot: number): readonly FusedDecoder[] {
    let decoders = this.bySlot.get(slot);
    if (decoders === undefined) {
      decoders = this.stages.map((stage, index) => FusedDecoder.create(cudaMemoryOf(stage).context, this.model, describeStage(this.config, stage, slot), this.images[index] as Buffer));
      this.bySlot.set(slot, decoders);
    }
    return decoders;
  }
}

function fusedModel(config: GlmConfig, precision: Precision, contextTokens: number): FusedModel {
  return {
    hiddenSize: config.hiddenSize,
    intermediateSize: config.intermediateSize,
    numHeads: config.numHeads,
    numKvHeads: config.numKvHeads,
    headDim: config.headDim,
    rotaryDim: config.rotaryDim,
    vocabSize: config.vocabSize,
    rmsNormEps: config.rmsNormEpsilon,
    ropeTheta: config.ropeTheta,
    hasSandwichNorms: config.architecture === 'glm4',
    hasQkvBias: config.hasQkvBias,
    weightBits: precision.weights === 'int4' ? 4 : precision.weights === 'int8' ? 8 : 16,
    scaleDtype: 'bf16',
    contextTokens,
  };
}

/** The device addresses of a stage's weights and of one slot's keys and values. q, k and v are rows of one stored matrix. */
function describeStage(config: GlmConfig, stage: Stage, slot: number): FusedStage {
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
    };
  });
  return {
    layers,
    embedding: placement.hasEmbedding ? vector(specs.embedding) : undefined,
    ...(placement.hasHead ? { finalNorm: vector(specs.finalNorm), head: matrix(specs.head) } : {}),
  };
}
