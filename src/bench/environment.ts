/** What a benchmark report says about the machine it was measured on. */

import { cpus, totalmem } from 'node:os';
import type { BenchmarkEnvironment } from './report/schema';
import type { DeviceDescription } from '../common/protocol/monitor';

export function describeEnvironment(version: string, devices: readonly DeviceDescription[]): BenchmarkEnvironment {
  return {
    extensionVersion: version,
    nodeVersion: process.version,
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model.trim() ?? 'unknown processor',
    logicalCores: cpus().length,
    memoryBytes: totalmem(),
    devices,
  };
}
