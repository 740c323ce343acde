/** One stage: a session on one device, its KV cache, and a run of one step over a range of slots. */

import type { BoundTensor } from '../../../alignment/facts';
import type { DeviceMemoryUse, StageAssignment, StagePlacement } from '../../../common/placement';
import { kvNames } from '../../../model/attention';
import type { KvScales, LayerKeysAndValues } from '../../../model/kvScales';
import type { Precision } from '../../../model/precision';
import { stageNames } from '../../../model/stageGraph';
import type { StoredTensor } from '../../../model/storedTensors';
import type { BuiltNode } from '../../../onnx/graphBuilder';
import { IoBinding, type RunOptions } from '../../../ort/running';
import type { Session } from '../../../ort/session';
import type { Value } from '../../../ort/value';
import { readRows } from './readRows';
import type { KvMemory, StageDevice, StageMemory } from './stageDevice';
import { boundTensors } from './boundTensors';
import { describeCpuNodes } from './cpuNodes';
import { isInForce, noMisplacement, type Misplaceable, type Misplacement } from './misplacement';
import { ResidentTensors } from './residentTensors';
import type { StepBuffers, StepShape } from './stepBuffers';

/** A run that is expected to last longer goes to a worker thread, so that heartbeat, cancel and telemetry stay alive. */
const longRunMs = 20;

export interface StageParts {
  readonly placement: StagePlacement;
  readonly precision: Precision;
  readonly device: StageDevice;
  readonly session: Session;
  readonly memory: StageMemory;
  readonly kv: KvMemory;
  /** Weights bound as inputs, by name; empty where the session holds them. */
  readonly weights: ReadonlyMap<string, Value>;
  readonly weightBytes: number;
  /** Of a cache in i8. */
  readonly kvScales?: KvScales;
  /** What the graph was built of, for profiles: its nodes and the tensors of its weights. */
  readonly nodes: readonly BuiltNode[];
  readonly stored: readonly StoredTensor[];
  readonly misplacement?: Misplacement;
}

/** The hidden states before and after a stage; undefined at the model's ends. */
export interface StageBorder {
  readonly hiddenIn?: Value;
  readonly hiddenOut?: Value;
}

export class Stage implements Disposable {
  private readonly bindings = new Map<string, IoBinding>();
  /** How long a run of so many tokens took last; undefined for a shape not seen yet. */
  private readonly lastRunMs = new Map<number, number>();

  private readonly resident: ResidentTensors;
  private readonly inputMemory: Readonly<Record<string, string>>;
  private last: { readonly binding: IoBinding; readonly shape: StepShape } | undefined;

  constructor(readonly parts: StageParts) {
    this.resident = new ResidentTensors(parts.memory);
    this.inputMemory = parts.session.inputMemory();
  }

  /** Whether the debug option holds this away from where it is read. On the CPU there is no such place. */
  isMisplaced(what: Misplaceable): boolean {
    const { misplacement = noMisplacement, placement } = this.parts;
    return isInForce(misplacement, what) && placement.provider !== 'cpu';
  }

  /** Where the tensors of the last step lie, as the runtime says. */
  boundTensors(): BoundTensor[] {
    return this.last === undefined ? [] : boundTensors(this.parts, this.last.binding, this.last.shape);
  }

  /** Whether these slots can be one batch here. */
  canBatch(firstSlot: number, slotCount: number): boolean {
    const { kv, placement } = this.parts;
    return placement.firstLayer === placement.endLayer || kv.rows(placement.firstLayer, firstSlot, slotCount) !== undefined;
  }

  /** Runs one step over slots `firstSlot` … of the step's shape. @throws {CancelledError} when `options` were terminated. */
  async run(firstSlot: number, step: StepBuffers, border: StageBorder, options: RunOptions): Promise<void> {
    const { slotCount, tokens } = step.shape;
    const binding = this.bindingFor(firstSlot, slotCount);
    this.bindStep(binding, step, border);
    this.last = { binding, shape: step.shape };
    const size = slotCount * tokens;
    const expectedMs = this.lastRunMs.get(size);
    const startedMs = performance.now();
    if (this.parts.device.runsOnCallingThread !== true && (expectedMs === undefined || expectedMs > longRunMs)) {
      await binding.runAsync(options);
    } else {
      binding.run(options);
    }
    if (this.parts.placement.hasHead && this.isMisplaced('logits')) {
      this.parts.memory.download?.(step.logits, this.resident.of(stageNames.logits, step.logits));
    }
    this.lastRunMs.set(size, performance.now() - startedMs);
  }

  /** Keys and values of the first `length` positions of a slot, as numbers. No run may be under way. */
  readCache(layerIndex: number, slot: number, length: number): LayerKeysAndValues {
    const { kv, memory, precision } = this.parts;
    const rows = kv.rows(layerIndex, slot, 1);
    if (rows === undefined || precision.kv === 'i8') {
      throw new RangeError(`layer ${layerIndex} of slot ${slot} holds no ${precision.kv === 'i8' ? 'plain numbers' : 'cache'} here`);
    }
    return { key: readRows(rows.key, length, memory), value: readRows(rows.value, length, memory) };
  }

  assignment(): StageAssignment {
    const { placement, session, device } = this.parts;
    // Sizes are computed on the host on purpose: that is where the runtime reads them.
    const nodes = session.assignedNodes()?.filter(({ name }) => !name.endsWith('_shape'));
    const nodesByProvider: Record<string, number> = {};
    for (const { provider } of nodes ?? []) {
      nodesByProvider[provider] = (nodesByProvider[provider] ?? 0) + 1;
    }
    const onCpu = nodes?.filter(({ provider }) => /^cpu/i.test(provider));
    // For some providers the runtime lists only what they did not take. That they take the inputs shows that they are at work.
    const listsAll = onCpu === undefined || nodes?.length !== onCpu.length || Object.values(this.inputMemory).every((memory) => /^cpu$/i.test(memory));
    return {
      stageIndex: placement.stageIndex,
      device: device.id,
      provider: device.provider,
      nodesByProvider: nodes === undefined || !listsAll ? undefined : nodesByProvider,
      ...(device.provider === 'cpu' || onCpu === undefined ? {} : { cpuNodes: describeCpuNodes(onCpu, this.parts.nodes) }),
      inputMemory: session.inputMemory(),
      outputMemory: session.outputMemory(),
    };
  }

  memoryUse(): DeviceMemoryUse {
    const { device, kv, memory, weightBytes } = this.parts;
    return { device: device.id, weightBytes, kvBytes: kv.byteLength, activationBytes: memory.arena()?.reservedBytes, stagingBytes: 0 };
  }

  /** Lets go of every bound tensor. Other stages' tensors must not be held when those stages go. */
  releaseBindings(): void {
    for (const binding of this.bindings.values()) {
      binding.dispose();
    }
    this.bindings.clear();
    this.last = undefined;
  }

  [Symbol.dispose](): void {
    const { weights, kv, memory, session, device } = this.parts;
    this.releaseBindings();
    for (const weight of weights.values()) {
      weight.dispose();
    }
    kv[Symbol.dispose]();
    this.resident[Symbol.dispose]();
    memory[Symbol.dispose]();
    session.dispose();
    device[Symbol.dispose]();
  }

  /** A binding with cache and weights in place; past and present are the same memory, so keys and values are appended where they lie. */
  private bindingFor(firstSlot: number, slotCount: number): IoBinding {
    const key = `${firstSlot}:${slotCount}`;
    const known = this.bindings.get(key);
    if (known !== undefined) {
      if (this.isMisplaced('kv')) {
        // The runtime copied the cache when it was bound, and the last run has changed it since.
        this.bindKv(known, firstSlot, slotCount);
      }
      return known;
    }
    const { session, weights } = this.parts;
    const binding = new IoBinding(session);
    this.bindKv(binding, firstSlot, slotCount);
    for (const [name, weight] of weights) {
      binding.bindInput(name, weight);
    }
    this.bindings.set(key, binding);
    return binding;
  }

  private bindKv(binding: IoBinding, firstSlot: number, slotCount: number): void {
    const { kv, placement } = this.parts;
    for (let layerIndex = placement.firstLayer; layerIndex < placement.endLayer; layerIndex += 1) {
      const names = kvNames(layerIndex);
      const rows = kv.rows(layerIndex, firstSlot, slotCount);
      if (rows === undefined) {
        throw new RangeError(`slots ${firstSlot} to ${firstSlot + slotCount - 1} do not lie together`);
      }
      binding.bindInput(names.pastKey, rows.key).bindInput(names.pastValue, rows.value).bindOutput(names.presentKey, rows.key).bindOutput(names.presentValue, rows.value);
    }
  }

  /** A step's host tensor where the runtime reads it: itself, or its counterpart on the device with its bytes in it. */
  private whereRead(name: string, host: Value): Value {
    const { memory } = this.parts;
    if (memory.upload === undefined || /^cpu$/i.test(this.inputMemory[name] ?? 'Cpu') || (name === stageNames.inputIds && this.isMisplaced('input_ids')) || (name === stageNames.seqlensK && this.isMisplaced('positions'))) {
      return host;
    }
    const resident = this.resident.of(name, host);
    memory.upload(resident, host);
    return resident;
  }

  private bindStep(binding: IoBinding, step: StepBuffers, { hiddenIn, hiddenOut }: StageBorder): void {
    const { placement, memory } = this.parts;
    const bindInput = (name: string, value: Value): void => {
      // Where the provider copies at bind time, what has changed since must be bound again.
      if (!memory.sharesHostMemory || binding.boundInput(name) !== value) {
        binding.bindInput(name, value);
      }
    };
    const bindOutput = (name: string, value: Value): void => {
      if (binding.boundOutput(name) !== value) {
        binding.bindOutput(name, value);
      }
    };
    if (placement.hasEmbedding) {
      bindInput(stageNames.inputIds, this.whereRead(stageNames.inputIds, step.ids));
    } else if (hiddenIn !== undefined) {
      bindInput(stageNames.hiddenIn, hiddenIn);
    }
    bindInput(stageNames.seqlensK, this.whereRead(stageNames.seqlensK, step.seqlensK));
    if (this.inputMemory[stageNames.totalSequenceLength] !== undefined) {
      bindInput(stageNames.totalSequenceLength, this.whereRead(stageNames.totalSequenceLength, step.totalSequenceLength));
    }
    if (this.parts.device.capturesSteps === true) {
      bindOutput(stageNames.nextSeqlensK, this.resident.of(stageNames.nextSeqlensK, step.seqlensK));
    }
    if (placement.hasHead) {
      bindInput(stageNames.logitsFrom, step.logitsFrom);
      bindOutput(stageNames.logits, this.isMisplaced('logits') ? this.resident.of(stageNames.logits, step.logits) : step.logits);
    } else if (hiddenOut !== undefined) {
      bindOutput(stageNames.hiddenOut, hiddenOut);
    }
  }
}
