/** Everything that can be read on this machine, opened once and shared by probe and telemetry. */

import type { Log } from '../../common/log';
import { openNvidiaSource, runSmiOnce, type NvidiaSource } from './nvidiaSource';
import { smiPaths } from './nvidiaSmi';
import type { Nvml } from './nvmlApi';
import { loadNvml, nvmlLibraryPaths } from './nvmlLibrary';
import { findSysfsGpus, type SysfsGpu } from './sysfsGpus';
import { SystemFiles } from './systemFiles';

export interface DeviceSources {
  readonly files: SystemFiles;
  readonly nvidia: NvidiaSource;
  readonly sysfsGpus: readonly SysfsGpu[];
  close(): void;
}

export interface OpenSourcesOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  readonly platform?: NodeJS.Platform;
  /** Replaced by tests. */
  readonly files?: SystemFiles;
  readonly loadNvml?: () => Promise<Nvml>;
  readonly smiCommands?: readonly string[];
  readonly runSmi?: (command: string, args: readonly string[]) => Promise<string | undefined>;
}

/** Opens NVML (or nvidia-smi) and finds the GPUs of the other vendors. Never rejects: what is missing is said in notes. The caller closes. */
export async function openSources(options: OpenSourcesOptions): Promise<DeviceSources> {
  const platform = options.platform ?? process.platform;
  const files = options.files ?? new SystemFiles();
  const nvidia = await openNvidiaSource({
    loadNvml: options.loadNvml ?? (() => loadNvml(nvmlLibraryPaths(platform))),
    smiCommands: options.smiCommands ?? smiPaths(platform),
    runSmi: options.runSmi ?? runSmiOnce,
    env: options.env,
    isWsl: /microsoft/i.test(files.readText('proc/version') ?? ''),
    log: options.log,
  });
  return {
    files,
    nvidia,
    sysfsGpus: platform === 'linux' ? findSysfsGpus(files) : [],
    close: () => {
      if (nvidia.kind === 'nvml') {
        nvidia.nvml.close();
      }
    },
  };
}
