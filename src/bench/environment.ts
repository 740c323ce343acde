/** What a benchmark report says about the machine it was measured on. */

import { cpus, totalmem } from 'node:os';
import type { BenchmarkEnvironment } from './report/schema';
import type { DeviceDescription } from '../common/protocol/monitor';

/** @param commit  What the bundle was built from; the build puts it in the place of the default. */
export function describeEnvironment(version: string, devices: readonly DeviceDescription[], commit = process.env.GLM_BUILD_COMMIT): BenchmarkEnvironment {
  return {
    extensionVersion: version,
    ...(commit ? { commit } : {}),
    nodeVersion: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown processor',
    logicalCores: cpus().length,
    memoryBytes: totalmem(),
    devices,
  };
}
