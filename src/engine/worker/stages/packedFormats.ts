/** The packed weights that one load uses: packed or found once per format, and looked over beside the rest of the load. */

import { existsSync } from 'node:fs';
import type { Precision } from '../../../model/precision';
import type { PackedWeights } from '../packing/packedFile';
import { packFormat } from '../packing/packPlan';

export interface PackedFormatsOptions {
  readonly pack: (precision: Precision) => Promise<PackedWeights>;
  /** @throws {PackDamagedError | CancelledError} */
  readonly verify: (packed: PackedWeights, signal: AbortSignal) => Promise<void>;
}

/** Owns the checks that it starts: whoever made it calls `end`. */
export class PackedFormats {
  private readonly byFormat = new Map<string, Promise<PackedWeights>>();
  private readonly checks: Promise<void>[] = [];
  private readonly stop = new AbortController();

  constructor(private readonly options: PackedFormatsOptions) {}

  of(precision: Precision): Promise<PackedWeights> {
    const format = packFormat(precision);
    const packed = this.byFormat.get(format) ?? this.options.pack(precision).then((weights) => this.startCheck(weights));
    this.byFormat.set(format, packed);
    return packed;
  }

  /** Resolves when every file has been found to hold what was written. @throws {PackDamagedError} */
  async settle(): Promise<void> {
    await Promise.all(this.checks);
  }

  /** A file that was packed or found and is no longer there: its folder was emptied meanwhile. */
  async firstGone(): Promise<string | undefined> {
    const files = await Promise.allSettled(this.byFormat.values());
    return files.flatMap((file) => (file.status === 'fulfilled' && !existsSync(file.value.path) ? [file.value.path] : []))[0];
  }

  /** Ends checks that nobody waits for any more. */
  async end(): Promise<void> {
    this.stop.abort();
    await Promise.allSettled(this.checks);
  }

  private startCheck(packed: PackedWeights): PackedWeights {
    if (!packed.isNew) {
      const check = this.options.verify(packed, this.stop.signal);
      // It may fail long before anyone waits for it.
      check.catch(() => undefined);
      this.checks.push(check);
    }
    return packed;
  }
}
