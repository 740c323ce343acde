/** Looks where everything lies, after loading and after each generation, and tells what is new about it. */

import { changedMessages, findMisalignments } from '../../alignment/findMisalignments';
import type { OtherModel } from '../../alignment/facts';
import type { AlignmentMessage } from '../../common/alignment';
import type { Log } from '../../common/log';
import type { DeviceBudget } from '../../common/placement';
import type { LoadedModel, LoadOptions } from '../../common/protocol/engine';
import { alignmentFacts } from './alignmentFacts';
import type { ServedRunner } from './servedModel';

export interface AlignmentWatchSetup {
  readonly loaded: LoadedModel;
  readonly runner: Pick<ServedRunner, 'boundTensors' | 'memoryUse'>;
  readonly options: Pick<LoadOptions, 'alignment' | 'allowSoftwareGpu' | 'alignmentCostsMs'>;
  readonly devicesAtPlan: readonly DeviceBudget[];
  readonly devicesNow: readonly DeviceBudget[];
  readonly otherModels: () => readonly OtherModel[];
  readonly log: Log;
  onMessage(message: AlignmentMessage): void;
}

export class AlignmentWatch {
  private known: readonly AlignmentMessage[] = [];

  constructor(private readonly setup: AlignmentWatchSetup) {}

  get messages(): readonly AlignmentMessage[] {
    return this.known;
  }

  /** Tells each cause once, and again only when its state or its cost has changed. A failure to look is logged; it must not cost an answer. */
  look(): void {
    const { loaded, runner, options, devicesAtPlan, devicesNow, otherModels, log, onMessage } = this.setup;
    try {
      const found = findMisalignments(
        alignmentFacts({
          loaded,
          mode: options.alignment,
          devicesAtPlan,
          devicesNow,
          tensors: runner.boundTensors?.() ?? [],
          measuredCostMs: options.alignmentCostsMs,
          otherModels: otherModels(),
          simulated: options.allowSoftwareGpu && loaded.plan.stages.some((stage) => stage.provider === 'webgpu'),
        }),
      );
      const news = changedMessages(this.known, found);
      this.known = found;
      for (const message of news) {
        log.log(message.state === 'found' ? 'warn' : 'info', 'alignment', message.message, { kind: message.kind, state: message.state });
        onMessage(message);
      }
    } catch (error) {
      log.log('warn', 'alignment', `Plan and fact could not be compared: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}
