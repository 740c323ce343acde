/**
 * Decodes several sequences at once on NVIDIA GPUs: per batch size one captured CUDA graph a stage, over buffers that stay where they are.
 *
 * The runtime captures a session's run under a `gpu_graph_id`; a replay needs every input and output at its old address, so ids and lengths are
 * written into device memory and `total_sequence_length` is bound to the maximum. The best 64 logits of each row are picked on the device;
 * whole rows are fetched only when a sampler asks.
 */

import type { StepLogits } from '../../../generation/stepRunner';
import { KernelModule } from '../../../cuda/kernelModule';
import { launchPicking, pickedBytes, readTopRows, topCount } from '../../../cuda/decode/topLogits';
import { kvNames } from '../../../model/attention';
import { stageNames } from '../../../model/stageGraph';
import type { MemoryInfo } from '../../../ort/memory';
import { IoBinding, RunOptions } from '../../../ort/running';
import { Value } from '../../../ort/value';
import { cudaMemoryOf, type CudaStageMemory } from './cudaDevice';
import type { Stage } from './stage';

export interface CudaBatchOptions {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly contextTokens: number;
  readonly maxBatch: number;
  /** The kernels for the last stage's device. */
  readonly kernelImage: Buffer;
}

export class CudaBatch implements Disposable {
  private readonly bySize = new Map<number, GraphedStages>();
  private readonly kernels: KernelModule;
  private readonly stream: unknown;

  constructor(
    private readonly stages: readonly Stage[],
    private readonly hostInfo: MemoryInfo,
    private readonly options: CudaBatchOptions,
  ) {
    const { context } = cudaMemoryOf(stages[stages.length - 1] as Stage);
    this.kernels = new KernelModule(context, options.kernelImage);
    this.stream = context.createStream();
  }

  /**
   * Appends one token to each slot of `tokenOf`. Slots below the highest that take no part get a dummy token at their first free position.
   *
   * @param lengths  Valid positions of every slot before the step.
   * @returns logits by slot, or undefined when a slot that would be taken along is full.
   */
  tryDecode(tokenOf: ReadonlyMap<number, number>, lengths: readonly number[]): ReadonlyMap<number, StepLogits> | undefined {
    const needed = Math.max(...tokenOf.keys()) + 1;
    const slotCount = Math.min(this.options.maxBatch, 2 ** Math.ceil(Math.log2(needed)));
    if (lengths.slice(0, slotCount).some((length) => length >= this.options.contextTokens)) {
      return undefined;
    }
    let graphed = this.bySize.get(slotCount);
    if (graphed === undefined) {
      graphed = new GraphedStages(this.stages, this.hostInfo, this.options, slotCount);
      this.bySize.set(slotCount, graphed);
    }
    const ids = BigInt64Array.from({ length: slotCount }, (_, slot) => BigInt(tokenOf.get(slot) ?? 0));
    graphed.run(ids, Int32Array.from({ length: slotCount }, (_, slot) => lengths[slot] ?? 0));
    return this.pick(graphed, [...tokenOf.keys()], slotCount);
  }

  [Symbol.dispose](): void {
    this.bySize.forEach((graphed) => graphed[Symbol.dispose]());
    this.bySize.clear();
    this.kernels.dispose();
    cudaMemoryOf(this.stages[this.stages.length - 1] as Stage).context.destroyStream(this.stream);
  }

  private pick(graphed: GraphedStages, slots: readonly number[], rows: number): ReadonlyMap<number, StepLogits> {
    const { vocabSize } = this.options;
    const { context } = cudaMemoryOf(this.stages[this.stages.length - 1] as Stage);
    launchPicking((name, grid, threads, args) => this.kernels.launch(name, { grid, threads }, this.stream, args), {
      vocabSize,
      rows,
      logits: graphed.logits,
      scratch: graphed.picked,
      best: graphed.best,
      state: 0n,
    });
    context.waitForStreamNow(this.stream);
    const top = readTopRows(context, graphed.best, rows);
    return new Map(
      slots.map((slot): [number, StepLogits] => [
        slot,
        {
          top: top[slot],
          full: () => {
            const row = new Float32Array(vocabSize);
            context.download(row, graphed.logits + BigInt(slot * vocabSize * 4));
            return Promise.resolve(row);
          },
        },
      ]),
    );
  }
}

/** Bindings and buffers of one batch size. Everything lies at a fixed address. */
class GraphedStages implements Disposable {
  readonly logits: bigint;
  readonly picked: readonly [bigint, bigint];
  /** i32[slotCount, 2, 64]. */
  readonly best: bigint;
  private readonly ids: bigint;
  private readonly parts: readonly GraphedStage[];
  private readonly owned: { readonly memory: CudaStageMemory; readonly value: Value }[] = [];

  constructor(
    private readonly stages: readonly Stage[],
    hostInfo: MemoryInfo,
    options: CudaBatchOptions,
    slotCount: number,
  ) {
    const last = cudaMemoryOf(stages[stages.length - 1] as Stage);
    const idsValue = this.allocate(cudaMemoryOf(stages[0] as Stage), 'i64', [slotCount, 1]);
    const logitsValue = this.allocate(last, 'f32', [slotCount, 1, options.vocabSize]);
    const bytes = (count: number): bigint => this.allocate(last, 'u8', [count]).dataAddress;
    this.ids = idsValue.dataAddress;
    this.logits = logitsValue.dataAddress;
    this.picked = [bytes(pickedBytes(options.vocabSize, slotCount)), bytes(pickedBytes(options.vocabSize, slotCount))];
    this.best = bytes(slotCount * topCount * 8);
    this.parts = stages.map((stage, index) => {
      const memory = cudaMemoryOf(stage);
      const dtype = stage.parts.precision.residual;
      const hiddenShape = [slotCount, 1, options.hiddenSize];
      return bindStage(stage, slotCount, {
        ids: index === 0 ? idsValue : undefined,
        hiddenIn: index === 0 ? undefined : this.allocate(memory, (stages[index - 1] as Stage).parts.precision.residual, hiddenShape),
        hiddenOut: index === stages.length - 1 ? undefined : this.allocate(memory, dtype, hiddenShape),
        logits: index === stages.length - 1 ? logitsValue : undefined,
        seqlensK: this.allocate(memory, 'i32', [slotCount]),
        totalSequenceLength: Value.overArray(hostInfo, Int32Array.of(options.contextTokens), 'i32', []),
        logitsFrom: Value.overArray(hostInfo, BigInt64Array.of(-1n), 'i64', [1]),
      });
    });
  }

  /** @param lengths  Valid positions of each slot before the step; the operator takes the last index after it, which is the same number. */
  run(ids: BigInt64Array, lengths: Int32Array): void {
    cudaMemoryOf(this.stages[0] as Stage).context.upload(this.ids, ids);
    this.parts.forEach((part, index) => {
      const memory = cudaMemoryOf(this.stages[index] as Stage);
      memory.context.upload(part.seqlensK.dataAddress, lengths);
      const before = this.parts[index - 1];
      if (before?.hiddenOut !== undefined && part.hiddenIn !== undefined) {
        memory.copyFrom?.(part.hiddenIn, before.hiddenOut, cudaMemoryOf(this.stages[index - 1] as Stage));
      }
      part.binding.run(part.options);
    });
  }

  [Symbol.dispose](): void {
    this.parts.forEach((part) => part[Symbol.dispose]());
    this.owned.splice(0).forEach(({ memory, value }) => memory.release(value));
  }

  private allocate(memory: CudaStageMemory, dtype: 'i64' | 'i32' | 'u8' | 'f32' | 'f16' | 'bf16', shape: readonly number[]): Value {
    const value = memory.allocate(dtype, shape);
    this.owned.push({ memory, value });
    return value;
  }
}

interface StageBuffers {
  readonly ids?: Value;
  readonly hiddenIn?: Value;
  readonly hiddenOut?: Value;
  readonly logits?: Value;
  readonly seqlensK: Value;
  readonly totalSequenceLength: Value;
  readonly logitsFrom: Value;
}

interface GraphedStage extends StageBuffers, Disposable {
  readonly binding: IoBinding;
  readonly options: RunOptions;
}

function bindStage(stage: Stage, slotCount: number, buffers: StageBuffers): GraphedStage {
  const { session, kv, weights, placement } = stage.parts;
  const binding = new IoBinding(session);
  for (let layerIndex = placement.firstLayer; layerIndex < placement.endLayer; layerIndex += 1) {
    const names = kvNames(layerIndex);
    const rows = kv.rows(layerIndex, 0, slotCount);
    if (rows === undefined) {
      throw new RangeError(`slots 0 to ${slotCount - 1} do not lie together`);
    }
    binding.bindInput(names.pastKey, rows.key).bindInput(names.pastValue, rows.value).bindOutput(names.presentKey, rows.key).bindOutput(names.presentValue, rows.value);
  }
  weights.forEach((weight, name) => binding.bindInput(name, weight));
  const inputs: readonly (readonly [string, Value | undefined])[] = [
    [stageNames.inputIds, buffers.ids],
    [stageNames.hiddenIn, buffers.hiddenIn],
    [stageNames.seqlensK, buffers.seqlensK],
    [stageNames.totalSequenceLength, buffers.totalSequenceLength],
    [stageNames.logitsFrom, placement.hasHead ? buffers.logitsFrom : undefined],
  ];
  inputs.forEach(([name, value]) => value !== undefined && binding.bindInput(name, value));
  if (buffers.hiddenOut !== undefined) {
    binding.bindOutput(stageNames.hiddenOut, buffers.hiddenOut);
  }
  if (buffers.logits !== undefined) {
    binding.bindOutput(stageNames.logits, buffers.logits);
  }
  const options = new RunOptions(session.library).setConfig('gpu_graph_id', String(slotCount));
  return {
    ...buffers,
    binding,
    options,
    [Symbol.dispose]: () => {
      binding.dispose();
      options.dispose();
      buffers.totalSequenceLength.dispose();
      buffers.logitsFrom.dispose();
    },
  };
}
