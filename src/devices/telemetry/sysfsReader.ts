/** Readings of AMD and Intel GPUs from the files of their kernel drivers (amdgpu, i915, xe). */

import { deviceId } from '../../common/deviceId';
import type { DeviceReading } from '../../common/protocol/monitor';
import type { SysfsGpu } from '../probe/sysfsGpus';
import type { SystemFiles } from '../probe/systemFiles';
import { readClientMemory } from './drmClients';

export class SysfsReader {
  private readonly lastEnergy = new Map<string, { readonly microjoules: number; readonly timeMs: number }>();

  constructor(
    private readonly files: SystemFiles,
    private readonly gpus: readonly SysfsGpu[],
  ) {}

  read(nowMs: number, ownPids: readonly number[]): readonly DeviceReading[] {
    return this.gpus.map((gpu, index): DeviceReading => {
      const { files } = this;
      const id = deviceId('webgpu', index);
      if (files.readText(`${gpu.card}/device/vendor`) === undefined) {
        return { id, lost: `${id} (${gpu.name}) is lost: the kernel no longer lists it.` };
      }
      const usedBytes = files.readNumber(`${gpu.card}/device/mem_info_vram_used`);
      return {
        id,
        utilizationPercent: files.readNumber(`${gpu.card}/device/gpu_busy_percent`),
        usedBytes,
        totalBytes: gpu.totalBytes,
        freeBytes: gpu.totalBytes !== undefined && usedBytes !== undefined ? gpu.totalBytes - usedBytes : undefined,
        temperatureCelsius: scaled(this.readSensor(gpu, 'temp1_input'), 1e-3),
        powerWatts: scaled(this.readSensor(gpu, 'power1_average') ?? this.readSensor(gpu, 'power1_input'), 1e-6) ?? this.readPowerFromEnergy(gpu, nowMs),
        powerLimitWatts: scaled(this.readSensor(gpu, 'power1_cap') ?? this.readSensor(gpu, 'power1_max'), 1e-6),
        smClockMhz: this.readClock(gpu),
        memoryClockMhz: this.readActiveLevel(`${gpu.card}/device/pp_dpm_mclk`),
        ownBytes: gpu.pciBusId === undefined ? undefined : readClientMemory(files, ownPids, gpu.pciBusId),
      };
    });
  }

  private readSensor(gpu: SysfsGpu, name: string): number | undefined {
    return gpu.sensors === undefined ? undefined : this.files.readNumber(`${gpu.sensors}/${name}`);
  }

  private readClock(gpu: SysfsGpu): number | undefined {
    return (
      this.readActiveLevel(`${gpu.card}/device/pp_dpm_sclk`) ??
      this.files.readNumber(`${gpu.card}/gt_act_freq_mhz`) ??
      this.files.readNumber(`${gpu.card}/device/tile0/gt0/freq0/act_freq`)
    );
  }

  /** The level with the star in a list such as `1: 1200Mhz *`. */
  private readActiveLevel(path: string): number | undefined {
    const level = /^\d+: (\d+)Mhz \*$/im.exec(this.files.readText(path) ?? '')?.[1];
    return level === undefined ? undefined : Number(level);
  }

  /** Intel gives a counter of microjoules; watts are its change over time. */
  private readPowerFromEnergy(gpu: SysfsGpu, nowMs: number): number | undefined {
    const microjoules = this.readSensor(gpu, 'energy1_input');
    const before = this.lastEnergy.get(gpu.card);
    if (microjoules === undefined) {
      return undefined;
    }
    this.lastEnergy.set(gpu.card, { microjoules, timeMs: nowMs });
    return before === undefined || nowMs <= before.timeMs || microjoules < before.microjoules ? undefined : (microjoules - before.microjoules) / 1e3 / (nowMs - before.timeMs);
  }
}

const scaled = (value: number | undefined, factor: number): number | undefined => (value === undefined ? undefined : value * factor);
