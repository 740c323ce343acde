/** One reading per NVIDIA GPU from NVML. A card that has gone is a reading that says so. */

import { deviceId, type DeviceId } from '../../common/deviceId';
import type { Log } from '../../common/log';
import type { DeviceReading, ProcessMemory } from '../../common/protocol/monitor';
import { NvmlDeviceLostError } from '../probe/nvmlApi';
import type { SystemFiles } from '../probe/systemFiles';
import type { VisibleGpu } from '../probe/visibleGpus';

export interface NvmlReaderOptions {
  readonly gpus: readonly VisibleGpu[];
  readonly files: SystemFiles;
  readonly log: Log;
}

export class NvmlReader {
  private readonly failed = new Set<DeviceId>();
  /** Names of the processes of the last sample, the unknown ones too: reading one costs more than all of NVML's answers. */
  private names = new Map<number, string | undefined>();
  private freshNames = new Map<number, string | undefined>();

  constructor(private readonly options: NvmlReaderOptions) {}

  async read(ownPids: readonly number[]): Promise<readonly DeviceReading[]> {
    this.freshNames = new Map();
    const readings = await Promise.all(this.options.gpus.map((gpu, index) => this.readGpu(deviceId('cuda', index), gpu, ownPids)));
    this.names = this.freshNames;
    return readings;
  }

  private async readGpu(id: DeviceId, gpu: VisibleGpu, ownPids: readonly number[]): Promise<DeviceReading> {
    try {
      const reading = this.readNow(id, gpu, ownPids);
      const traffic = await (gpu.card ?? gpu.device).pcieThroughput();
      return { ...reading, pcieTxBytesPerSecond: traffic.txBytesPerSecond, pcieRxBytesPerSecond: traffic.rxBytesPerSecond };
    } catch (error) {
      if (error instanceof NvmlDeviceLostError) {
        return { id, lost: `${id} is lost. ${error.message} Its memory cannot be used; see the system log, and restart the machine or reset the card.` };
      }
      if (!this.failed.has(id)) {
        this.failed.add(id);
        this.options.log.log('warn', 'telemetry', `Reading ${id} failed: ${String(error)}`);
      }
      return { id };
    }
  }

  private readNow(id: DeviceId, { device, card }: VisibleGpu, ownPids: readonly number[]): DeviceReading {
    const whole = card ?? device;
    const memory = device.memory();
    const processes = device.processes()?.map((one): ProcessMemory => ({ pid: one.pid, usedBytes: one.usedBytes, name: this.processName(one.pid) }));
    const own = processes?.filter((one) => ownPids.includes(one.pid)).flatMap((one) => one.usedBytes ?? []);
    return {
      id,
      utilizationPercent: device.utilizationPercent(),
      usedBytes: memory?.usedBytes,
      freeBytes: memory?.freeBytes,
      totalBytes: memory?.totalBytes,
      temperatureCelsius: whole.temperatureCelsius(),
      powerWatts: whole.powerWatts(),
      powerLimitWatts: whole.powerLimitWatts(),
      smClockMhz: whole.smClockMhz(),
      memoryClockMhz: whole.memoryClockMhz(),
      throttleReasons: whole.throttleReasons(),
      processes,
      // None of ours among the processes may as well mean that a container hides our ids from the driver: unknown, not 0.
      ownBytes: own === undefined || own.length === 0 ? undefined : own.reduce((sum, bytes) => sum + bytes, 0),
    };
  }

  /** A process that was there in the last sample keeps its name; a number that comes back after a gap is looked up anew. */
  private processName(pid: number): string | undefined {
    const name = this.names.has(pid) ? this.names.get(pid) : this.options.files.readText(`proc/${pid}/comm`)?.trim();
    this.freshNames.set(pid, name);
    return name;
  }
}
