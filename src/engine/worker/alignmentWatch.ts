/** Looks where everything lies, after loading and after each generation, and tells what is new about it and what is gone. */

import { changedMessages, findMisalignments, resolvedKeys } from '../../alignment/findMisalignments';
import type { GpuLeftOut, OtherModel } from '../../alignment/facts';
import type { AlignmentMessage } from '../../common/alignment';
import { tryParseDeviceId, type DeviceId } from '../../common/deviceId';
import type { Log } from '../../common/log';
import type { DeviceBudget } from '../../common/placement';
import type { LoadedModel, LoadOptions } from '../../common/protocol/engine';
import type { ProcessMemory } from '../../common/protocol/monitor';
import type { BatchTimer } from './deltaBatcher';
import { alignmentFacts, type MemoryMoment } from './alignmentFacts';
import type { ServedRunner } from './servedModel';

export interface AlignmentWatchSetup {
  readonly loaded: LoadedModel;
  readonly runner: Pick<ServedRunner, 'boundTensors' | 'memoryUse' | 'readMemory'>;
  readonly options: Pick<LoadOptions, 'alignment' | 'alignmentCostsMs'>;
  readonly devicesAtPlan: readonly DeviceBudget[];
  readonly devicesNow: readonly DeviceBudget[];
  readonly otherModels: () => readonly OtherModel[];
  readonly gpusLeftOut?: readonly GpuLeftOut[];
  /** Who holds memory on the GPUs; asked only when some is missing, since it takes a while. */
  readonly processes?: () => Promise<ReadonlyMap<DeviceId, readonly ProcessMemory[]>>;
  readonly log: Log;
  onMessage(message: AlignmentMessage): void;
  onResolved?(keys: readonly string[]): void;
}

/** Memory is taken and models are loaded beside this one also while nobody asks anything. */
const lookAgainMs = 5000;

export class AlignmentWatch implements Disposable {
  private known: readonly AlignmentMessage[] = [];
  private stop: (() => void) | undefined;
  private memoryAtLoad: MemoryMoment | undefined;

  constructor(private readonly setup: AlignmentWatchSetup) {}

  get messages(): readonly AlignmentMessage[] {
    return this.known;
  }

  /** Tells each cause once, and again only when its state or its cost has changed. A failure to look is logged; it must not cost an answer. */
  look(): void {
    this.attempt(() => {
      const memoryNow = this.moment();
      this.memoryAtLoad ??= memoryNow;
      const found = this.find(memoryNow);
      const isTaken = (message: AlignmentMessage): boolean => message.kind === 'memory-taken' && this.known.every(({ key }) => key !== message.key);
      if (this.setup.processes === undefined || !found.some(isTaken)) {
        this.tell(found);
        return;
      }
      // Told at once otherwise: only these name processes, which takes a moment to find out.
      this.tell(found.filter((message) => !isTaken(message)));
      this.setup.processes().then(
        (processes) => this.attempt(() => this.tell(this.find({ ...memoryNow, processes }))),
        () => this.tell(found),
      );
    });
  }

  /** Looks from time to time from now on. */
  keepLooking(timer: Pick<BatchTimer, 'after'>): void {
    this.stop = timer.after(lookAgainMs, () => {
      this.look();
      this.keepLooking(timer);
    });
  }

  [Symbol.dispose](): void {
    this.stop?.();
  }

  private find(memoryNow: MemoryMoment): readonly AlignmentMessage[] {
    const { loaded, runner, options, devicesAtPlan, devicesNow, gpusLeftOut } = this.setup;
    return findMisalignments(
      alignmentFacts({
        loaded,
        mode: options.alignment,
        devicesAtPlan,
        devicesNow,
        tensors: runner.boundTensors?.() ?? [],
        measuredCostMs: options.alignmentCostsMs,
        otherModels: memoryNow.otherModels,
        gpusLeftOut,
        memoryAtLoad: this.memoryAtLoad,
        memoryNow,
        simulated: loaded.simulated === true,
      }),
    );
  }

  private moment(): MemoryMoment {
    const { runner, otherModels } = this.setup;
    const readings = (runner.readMemory?.() ?? []).flatMap(({ device, freeBytes }) => {
      const id = tryParseDeviceId(device);
      return id === undefined ? [] : [[id, freeBytes] as const];
    });
    return { freeBytes: new Map(readings), ownMemory: runner.memoryUse(), otherModels: otherModels() };
  }

  private tell(found: readonly AlignmentMessage[]): void {
    const { log, onMessage, onResolved } = this.setup;
    const [news, gone] = [changedMessages(this.known, found), resolvedKeys(this.known, found)];
    this.known = found;
    if (gone.length > 0) {
      log.log('info', 'alignment', `No longer so: ${gone.join(', ')}`);
      onResolved?.(gone);
    }
    for (const message of news) {
      log.log(message.state === 'found' ? 'warn' : 'info', 'alignment', message.message, { kind: message.kind, state: message.state });
      onMessage(message);
    }
  }

  private attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.setup.log.log('warn', 'alignment', `Plan and fact could not be compared: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
