/** Named checks, run one after the other on a GPU machine; prints one line each and a closing line that is true. */

export interface GpuCheck {
  readonly name: string;
  /** Devices it needs; skipped, and said so, where there are fewer. Default 1. */
  readonly devices?: number;
  /** Throws what is wrong; returns what was measured. */
  readonly run: () => Promise<string>;
}

/** @returns the number of failures. */
export async function runChecks(checks: readonly GpuCheck[], numDevices: number, print: (line: string) => void): Promise<number> {
  let failed = 0;
  let passed = 0;
  let skipped = 0;
  for (const check of checks) {
    if ((check.devices ?? 1) > numDevices) {
      skipped += 1;
      print(`skip  ${check.name}: needs ${check.devices} GPUs, here are ${numDevices}`);
      continue;
    }
    const started = performance.now();
    try {
      const detail = await check.run();
      passed += 1;
      print(`ok    ${check.name} (${((performance.now() - started) / 1000).toFixed(1)} s): ${detail}`);
    } catch (error) {
      failed += 1;
      print(`FAIL  ${check.name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  print(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed;
}
