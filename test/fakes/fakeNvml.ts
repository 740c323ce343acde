/** An in-memory NVML: honest to the interface, with cards that can be taken away. */

import { NvmlDeviceLostError, type Nvml, type NvmlDevice, type NvmlMemory, type NvmlProcess } from '../../src/devices/probe/nvmlApi';

export interface FakeCard {
  name?: string;
  uuid?: string;
  pciBusId?: string;
  memory?: NvmlMemory;
  utilizationPercent?: number;
  temperatureCelsius?: number;
  powerWatts?: number;
  powerLimitWatts?: number;
  smClockMhz?: number;
  memoryClockMhz?: number;
  throttleReasons?: readonly string[];
  processes?: readonly NvmlProcess[];
  traffic?: { readonly txBytesPerSecond?: number; readonly rxBytesPerSecond?: number };
  migInstances?: readonly FakeNvmlDevice[];
  /** Set to take the card away. */
  lostStatus?: number;
}

export class FakeNvmlDevice implements NvmlDevice {
  constructor(readonly card: FakeCard) {}

  name = (): string | undefined => this.read('nvmlDeviceGetName').name;
  uuid = (): string | undefined => this.read('nvmlDeviceGetUUID').uuid;
  pciBusId = (): string | undefined => this.read('nvmlDeviceGetPciInfo_v3').pciBusId;
  memory = (): NvmlMemory | undefined => this.read('nvmlDeviceGetMemoryInfo_v2').memory;
  utilizationPercent = (): number | undefined => this.read('nvmlDeviceGetUtilizationRates').utilizationPercent;
  temperatureCelsius = (): number | undefined => this.read('nvmlDeviceGetTemperature').temperatureCelsius;
  powerWatts = (): number | undefined => this.read('nvmlDeviceGetPowerUsage').powerWatts;
  powerLimitWatts = (): number | undefined => this.read('nvmlDeviceGetEnforcedPowerLimit').powerLimitWatts;
  smClockMhz = (): number | undefined => this.read('nvmlDeviceGetClockInfo').smClockMhz;
  memoryClockMhz = (): number | undefined => this.read('nvmlDeviceGetClockInfo').memoryClockMhz;
  throttleReasons = (): readonly string[] | undefined => this.read('nvmlDeviceGetCurrentClocksEventReasons').throttleReasons;
  processes = (): readonly NvmlProcess[] | undefined => this.read('nvmlDeviceGetComputeRunningProcesses_v3').processes;
  migInstances = (): readonly NvmlDevice[] | undefined => this.read('nvmlDeviceGetMigMode').migInstances;

  async pcieThroughput(): Promise<{ readonly txBytesPerSecond?: number; readonly rxBytesPerSecond?: number }> {
    return this.read('nvmlDeviceGetPcieThroughput').traffic ?? {};
  }

  private read(call: string): FakeCard {
    if (this.card.lostStatus !== undefined) {
      throw new NvmlDeviceLostError(this.card.lostStatus, call);
    }
    return this.card;
  }
}

export class FakeNvml implements Nvml {
  closed = false;

  constructor(
    readonly list: readonly (FakeNvmlDevice | string)[],
    readonly driverVersion: string | undefined = '580.95.05',
    readonly cudaVersion: string | undefined = '13.0',
  ) {}

  devices(): readonly (FakeNvmlDevice | string)[] {
    return this.list;
  }

  close(): void {
    this.closed = true;
  }
}

/** A card with every reading, numbered so that cards can be told apart. */
export function fakeCard(index: number, rest: FakeCard = {}): FakeNvmlDevice {
  return new FakeNvmlDevice({
    name: 'NVIDIA Test 24GB',
    uuid: `GPU-${index}${index}${index}${index}aaaa-0000-4000-8000-00000000000${index}`,
    pciBusId: `00000000:0${index + 1}:00.0`,
    memory: { totalBytes: 24 * 2 ** 30, usedBytes: (index + 1) * 2 ** 30, freeBytes: (23 - index) * 2 ** 30 },
    utilizationPercent: 10 * (index + 1),
    temperatureCelsius: 50 + index,
    powerWatts: 100.5,
    powerLimitWatts: 350,
    smClockMhz: 1800,
    memoryClockMhz: 9500,
    throttleReasons: [],
    processes: [],
    traffic: { txBytesPerSecond: 2048, rxBytesPerSecond: 4096 },
    ...rest,
  });
}
