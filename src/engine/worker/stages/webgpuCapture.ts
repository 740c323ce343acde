/**
 * Decoding one sequence on a WebGPU device by replaying a captured step: the commands of some 600 kernels are recorded once per slot and
 * submitted again for each token, which saves encoding them.
 *
 * A replay copies nothing in or out: the token is written to a tensor on the device before it, the logits read after it. The position, which each
 * step of a sequence raises by one, is computed by the graph itself, and so is the length that attention looks at.
 * Repeating a step writes the same keys and values to the same places, so the capture itself, which runs the step more than once, does no harm.
 *
 * @see onnxruntime's documentation of `ep.webgpuexecutionprovider.enableGraphCapture` and of the run option `gpu_graph_id`
 */

import { kvNames } from '../../../model/attention';
import { stageNames } from '../../../model/stageGraph';
import type { StepLogits } from '../../../generation/stepRunner';
import type { MemoryInfo } from '../../../ort/memory';
import { IoBinding, RunOptions } from '../../../ort/running';
import { Value } from '../../../ort/value';
import type { SlotDecoder } from './slotDecoder';
import type { Stage } from './stage';

export interface WebgpuCaptureOptions {
  readonly vocabSize: number;
}

/** Owned by the runner of the stage, and disposed before the stage. */
export class WebgpuCapture implements SlotDecoder {
  private readonly idArray = new Int32Array(1);
  private readonly seqlensArray = new Int32Array(1);
  private readonly logitsArray: Float32Array;
  private readonly host: Readonly<Record<'ids' | 'seqlensK' | 'logitsFrom' | 'logits', Value>>;
  private readonly resident: Readonly<Record<'ids' | 'seqlensK' | 'nextSeqlensK' | 'logits', Value>>;
  /** What `nextSeqlensK` holds; undefined before the first step. */
  private nextPosition: number | undefined;
  private readonly bySlot = new Map<number, { readonly binding: IoBinding; readonly options: RunOptions }>();

  private constructor(
    private readonly stage: Stage,
    hostInfo: MemoryInfo,
    { vocabSize }: WebgpuCaptureOptions,
  ) {
    const { memory } = stage.parts;
    this.logitsArray = new Float32Array(vocabSize);
    this.host = {
      ids: Value.overArray(hostInfo, this.idArray, 'i32', [1, 1]),
      seqlensK: Value.overArray(hostInfo, this.seqlensArray, 'i32', [1]),
      logitsFrom: Value.overArray(hostInfo, BigInt64Array.of(0n), 'i64', [1]),
      logits: Value.overArray(hostInfo, this.logitsArray, 'f32', [1, 1, vocabSize]),
    };
    this.resident = { ids: memory.allocate('i32', [1, 1]), seqlensK: memory.allocate('i32', [1]), nextSeqlensK: memory.allocate('i32', [1]), logits: memory.allocate('f32', [1, 1, vocabSize]) };
  }

  /** Undefined where a step can't be captured: several stages, or a runtime without copies between host and device. */
  static tryCreate(stages: readonly Stage[], hostInfo: MemoryInfo, options: WebgpuCaptureOptions): WebgpuCapture | undefined {
    const [only] = stages;
    const canCapture = stages.length === 1 && only?.parts.device.capturesSteps === true && only.parts.memory.upload !== undefined && only.parts.memory.download !== undefined;
    return canCapture ? new WebgpuCapture(only, hostInfo, options) : undefined;
  }

  decode(slot: number, tokenId: number, position: number): StepLogits {
    const { memory } = this.stage.parts;
    this.idArray[0] = tokenId;
    memory.upload?.(this.resident.ids, this.host.ids);
    if (position === this.nextPosition) {
      memory.copyWithin?.(this.resident.seqlensK, this.resident.nextSeqlensK);
    } else {
      this.seqlensArray[0] = position;
      memory.upload?.(this.resident.seqlensK, this.host.seqlensK);
    }
    this.nextPosition = undefined;
    const { binding, options } = this.graphOf(slot);
    binding.run(options);
    memory.download?.(this.host.logits, this.resident.logits);
    this.nextPosition = position + 1;
    return { full: () => Promise.resolve(this.logitsArray) };
  }

  [Symbol.dispose](): void {
    this.bySlot.forEach(({ binding, options }) => {
      binding.dispose();
      options.dispose();
    });
    this.bySlot.clear();
    Object.values(this.resident).forEach((value) => this.stage.parts.memory.release(value));
    Object.values(this.host).forEach((value) => value.dispose());
  }

  private graphOf(slot: number): { readonly binding: IoBinding; readonly options: RunOptions } {
    const known = this.bySlot.get(slot);
    if (known !== undefined) {
      return known;
    }
    const { session, kv, placement } = this.stage.parts;
    const binding = new IoBinding(session);
    for (let layerIndex = placement.firstLayer; layerIndex < placement.endLayer; layerIndex += 1) {
      const names = kvNames(layerIndex);
      const rows = kv.rows(layerIndex, slot, 1);
      if (rows === undefined) {
        throw new RangeError(`slot ${slot} has no cache in layer ${layerIndex}`);
      }
      binding.bindInput(names.pastKey, rows.key).bindInput(names.pastValue, rows.value).bindOutput(names.presentKey, rows.key).bindOutput(names.presentValue, rows.value);
    }
    binding
      .bindInput(stageNames.inputIds, this.resident.ids)
      .bindInput(stageNames.seqlensK, this.resident.seqlensK)
      .bindInput(stageNames.logitsFrom, this.host.logitsFrom)
      .bindOutput(stageNames.logits, this.resident.logits)
      .bindOutput(stageNames.nextSeqlensK, this.resident.nextSeqlensK);
    const graph = { binding, options: new RunOptions(session.library).setConfig('gpu_graph_id', String(slot + 1)) };
    this.bySlot.set(slot, graph);
    return graph;
  }
}
