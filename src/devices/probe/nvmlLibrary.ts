/**
 * NVML through koffi. The library comes with the NVIDIA driver; nothing of it is linked or shipped.
 *
 * All output goes into buffers of ours, read at fixed offsets: NVML's structs are versioned by function name (`_v2`, `_v3`) and do not change.
 * A function that an older driver lacks makes its reading undefined. Only the monitor process loads this file's library.
 */

import type koffiModule from 'koffi';
import { isLostStatus, NvmlDeviceLostError, nvmlStatusText, NvmlUnavailableError, throttleReasonTexts, type Nvml, type NvmlDevice, type NvmlMemory, type NvmlProcess } from './nvmlApi';

type NativeFunction = ((...args: unknown[]) => number) & { async: (...args: unknown[]) => void };
type Koffi = typeof koffiModule;

const statusSuccess = 0;
const statusInsufficientSize = 7;
const valueNotAvailable = 0xffff_ffff_ffff_ffffn;
const textBytes = 96;

/** Where the driver installs its library; a bare name lets the system's loader search. */
export function nvmlLibraryPaths(platform: NodeJS.Platform): readonly string[] {
  if (platform === 'win32') {
    return ['nvml.dll', 'C:\\Windows\\System32\\nvml.dll', 'C:\\Program Files\\NVIDIA Corporation\\NVSMI\\nvml.dll'];
  }
  return platform === 'linux'
    ? ['libnvidia-ml.so.1', '/usr/lib/wsl/lib/libnvidia-ml.so.1', '/usr/local/nvidia/lib64/libnvidia-ml.so.1', '/run/opengl-driver/lib/libnvidia-ml.so.1']
    : [];
}

/**
 * Loads and initialises NVML. The caller closes it.
 *
 * @throws {NvmlUnavailableError} naming what was tried and what is in the way.
 */
export async function loadNvml(paths: readonly string[]): Promise<Nvml> {
  let koffi: Koffi;
  try {
    ({ koffi } = await import('./nativeCalls'));
  } catch (error) {
    throw new NvmlUnavailableError(`The native call library (koffi) does not load on ${process.platform}-${process.arch}: ${firstLine(error)}`);
  }
  const failures: string[] = [];
  for (const path of paths) {
    let library: ReturnType<Koffi['load']>;
    try {
      library = koffi.load(path);
    } catch (error) {
      failures.push(firstLine(error));
      continue;
    }
    return initialise(new NvmlCalls(library), path);
  }
  throw new NvmlUnavailableError(`NVML, the NVIDIA driver's library, was not found. Looked for ${paths.join(', ') || 'nothing on this system'}.`, { failures: failures.join('; ') });
}

function initialise(calls: NvmlCalls, path: string): Nvml {
  const status = calls.call('nvmlInit_v2') ?? calls.call('nvmlInit');
  if (status !== statusSuccess) {
    throw new NvmlUnavailableError(
      status === undefined ? `${path} has no nvmlInit_v2; it is no NVML library.` : `NVML (${path}) does not start: ${nvmlStatusText(status)}.`,
      { path, status: status ?? -1 },
    );
  }
  let devices: readonly (NvmlDevice | string)[] | undefined;
  return {
    driverVersion: calls.readText('nvmlSystemGetDriverVersion'),
    cudaVersion: readCudaVersion(calls),
    devices: () => (devices ??= openDevices(calls)),
    close: () => void calls.call('nvmlShutdown'),
  };
}

function openDevices(calls: NvmlCalls): readonly (NvmlDevice | string)[] {
  const count = calls.readUint32('nvmlDeviceGetCount_v2') ?? 0;
  return Array.from({ length: count }, (_, index) => {
    const handle = new BigUint64Array(1);
    const status = calls.call('nvmlDeviceGetHandleByIndex_v2', index, handle);
    return status === statusSuccess ? new NvmlLibraryDevice(calls, handle[0] as bigint) : `GPU ${index} cannot be opened: ${nvmlStatusText(status ?? 13)}`;
  });
}

function readCudaVersion(calls: NvmlCalls): string | undefined {
  const value = calls.readUint32('nvmlSystemGetCudaDriverVersion_v2') ?? calls.readUint32('nvmlSystemGetCudaDriverVersion');
  return value === undefined ? undefined : `${Math.floor(value / 1000)}.${Math.floor((value % 1000) / 10)}`;
}

/** Argument types by function; handles are pointers passed as 64-bit numbers, outputs are buffers. */
const signatures: Readonly<Record<string, readonly string[]>> = {
  nvmlInit: [],
  nvmlInit_v2: [],
  nvmlShutdown: [],
  nvmlSystemGetDriverVersion: ['void *', 'uint32'],
  nvmlSystemGetCudaDriverVersion: ['void *'],
  nvmlSystemGetCudaDriverVersion_v2: ['void *'],
  nvmlDeviceGetCount_v2: ['void *'],
  nvmlDeviceGetHandleByIndex_v2: ['uint32', 'void *'],
  nvmlDeviceGetName: ['uint64', 'void *', 'uint32'],
  nvmlDeviceGetUUID: ['uint64', 'void *', 'uint32'],
  nvmlDeviceGetPciInfo_v3: ['uint64', 'void *'],
  nvmlDeviceGetMemoryInfo: ['uint64', 'void *'],
  nvmlDeviceGetMemoryInfo_v2: ['uint64', 'void *'],
  nvmlDeviceGetUtilizationRates: ['uint64', 'void *'],
  nvmlDeviceGetTemperature: ['uint64', 'uint32', 'void *'],
  nvmlDeviceGetPowerUsage: ['uint64', 'void *'],
  nvmlDeviceGetEnforcedPowerLimit: ['uint64', 'void *'],
  nvmlDeviceGetClockInfo: ['uint64', 'uint32', 'void *'],
  nvmlDeviceGetCurrentClocksEventReasons: ['uint64', 'void *'],
  nvmlDeviceGetCurrentClocksThrottleReasons: ['uint64', 'void *'],
  nvmlDeviceGetComputeRunningProcesses_v3: ['uint64', 'void *', 'void *'],
  nvmlDeviceGetComputeRunningProcesses_v2: ['uint64', 'void *', 'void *'],
  nvmlDeviceGetGraphicsRunningProcesses_v3: ['uint64', 'void *', 'void *'],
  nvmlDeviceGetGraphicsRunningProcesses_v2: ['uint64', 'void *', 'void *'],
  nvmlDeviceGetPcieThroughput: ['uint64', 'uint32', 'void *'],
  nvmlDeviceGetMigMode: ['uint64', 'void *', 'void *'],
  nvmlDeviceGetMaxMigDeviceCount: ['uint64', 'void *'],
  nvmlDeviceGetMigDeviceHandleByIndex: ['uint64', 'uint32', 'void *'],
};

/** Resolves functions on first use; a missing one stays undefined. */
class NvmlCalls {
  private readonly functions = new Map<string, NativeFunction | undefined>();

  constructor(private readonly library: ReturnType<Koffi['load']>) {}

  /** The status, or undefined when this driver has no such function. */
  call(name: string, ...args: unknown[]): number | undefined {
    return this.find(name)?.(...args);
  }

  callAsync(name: string, ...args: unknown[]): Promise<number | undefined> {
    const native = this.find(name);
    return native === undefined
      ? Promise.resolve(undefined)
      : new Promise((resolve) => native.async(...args, (error: unknown, status: number) => resolve(error ? undefined : status)));
  }

  /** A u32 that the function writes as its last argument. */
  readUint32(name: string, ...args: unknown[]): number | undefined {
    const out = new Uint32Array(1);
    return isDone(this.call(name, ...args, out), name) ? out[0] : undefined;
  }

  readText(name: string, ...args: unknown[]): string | undefined {
    const out = Buffer.alloc(textBytes);
    return isDone(this.call(name, ...args, out, textBytes), name) ? cString(out) : undefined;
  }

  private find(name: string): NativeFunction | undefined {
    if (!this.functions.has(name)) {
      let found: NativeFunction | undefined;
      try {
        found = this.library.func(name, 'int', [...(signatures[name] ?? [])]) as unknown as NativeFunction;
      } catch {
        // An older driver: the reading is undefined.
      }
      this.functions.set(name, found);
    }
    return this.functions.get(name);
  }
}

class NvmlLibraryDevice implements NvmlDevice {
  constructor(
    private readonly calls: NvmlCalls,
    private readonly handle: bigint,
  ) {}

  name(): string | undefined {
    return this.calls.readText('nvmlDeviceGetName', this.handle);
  }

  uuid(): string | undefined {
    return this.calls.readText('nvmlDeviceGetUUID', this.handle);
  }

  pciBusId(): string | undefined {
    const info = Buffer.alloc(128);
    // nvmlPciInfo_t: char busIdLegacy[16], five u32, char busId[32].
    return this.done('nvmlDeviceGetPciInfo_v3', info) ? cString(info.subarray(36, 68)) : undefined;
  }

  memory(): NvmlMemory | undefined {
    const info = Buffer.alloc(40);
    // nvmlMemory_v2_t: u32 version, then u64 total, reserved, free, used.
    info.writeUInt32LE(0x0200_0028, 0);
    if (this.done('nvmlDeviceGetMemoryInfo_v2', info)) {
      return { totalBytes: u64(info, 8), freeBytes: u64(info, 24), usedBytes: u64(info, 32) };
    }
    // nvmlMemory_t: u64 total, free, used.
    return this.done('nvmlDeviceGetMemoryInfo', info) ? { totalBytes: u64(info, 0), freeBytes: u64(info, 8), usedBytes: u64(info, 16) } : undefined;
  }

  utilizationPercent(): number | undefined {
    const rates = Buffer.alloc(8);
    return this.done('nvmlDeviceGetUtilizationRates', rates) ? rates.readUInt32LE(0) : undefined;
  }

  temperatureCelsius(): number | undefined {
    return this.calls.readUint32('nvmlDeviceGetTemperature', this.handle, 0);
  }

  powerWatts(): number | undefined {
    return fromMilli(this.calls.readUint32('nvmlDeviceGetPowerUsage', this.handle));
  }

  powerLimitWatts(): number | undefined {
    return fromMilli(this.calls.readUint32('nvmlDeviceGetEnforcedPowerLimit', this.handle));
  }

  smClockMhz(): number | undefined {
    return this.calls.readUint32('nvmlDeviceGetClockInfo', this.handle, 1);
  }

  memoryClockMhz(): number | undefined {
    return this.calls.readUint32('nvmlDeviceGetClockInfo', this.handle, 2);
  }

  throttleReasons(): readonly string[] | undefined {
    const mask = Buffer.alloc(8);
    const known = this.done('nvmlDeviceGetCurrentClocksEventReasons', mask) || this.done('nvmlDeviceGetCurrentClocksThrottleReasons', mask);
    return known ? throttleReasonTexts(mask.readUInt32LE(0)) : undefined;
  }

  processes(): readonly NvmlProcess[] | undefined {
    const lists = ['Compute', 'Graphics'].map((kind) => this.runningProcesses(`nvmlDeviceGet${kind}RunningProcesses_v3`) ?? this.runningProcesses(`nvmlDeviceGet${kind}RunningProcesses_v2`));
    if (lists.every((list) => list === undefined)) {
      return undefined;
    }
    const byPid = new Map<number, NvmlProcess>();
    for (const one of lists.flatMap((list) => list ?? [])) {
      const known = byPid.get(one.pid)?.usedBytes;
      byPid.set(one.pid, known !== undefined && known >= (one.usedBytes ?? 0) ? { pid: one.pid, usedBytes: known } : one);
    }
    return [...byPid.values()];
  }

  async pcieThroughput(): Promise<{ readonly txBytesPerSecond?: number; readonly rxBytesPerSecond?: number }> {
    const read = async (counter: number): Promise<number | undefined> => {
      const kibPerSecond = new Uint32Array(1);
      const status = await this.calls.callAsync('nvmlDeviceGetPcieThroughput', this.handle, counter, kibPerSecond);
      return isDone(status, 'nvmlDeviceGetPcieThroughput') ? (kibPerSecond[0] as number) * 1024 : undefined;
    };
    return { txBytesPerSecond: await read(0), rxBytesPerSecond: await read(1) };
  }

  migInstances(): readonly NvmlDevice[] | undefined {
    const current = new Uint32Array(1);
    const pending = new Uint32Array(1);
    if (!isDone(this.calls.call('nvmlDeviceGetMigMode', this.handle, current, pending), 'nvmlDeviceGetMigMode') || current[0] !== 1) {
      return undefined;
    }
    const most = this.calls.readUint32('nvmlDeviceGetMaxMigDeviceCount', this.handle) ?? 0;
    return Array.from({ length: most }, (_, index): readonly NvmlDevice[] => {
      const handle = new BigUint64Array(1);
      const status = this.calls.call('nvmlDeviceGetMigDeviceHandleByIndex', this.handle, index, handle);
      return status === statusSuccess ? [new NvmlLibraryDevice(this.calls, handle[0] as bigint)] : [];
    }).flat();
  }

  private done(name: string, out: Uint8Array): boolean {
    return isDone(this.calls.call(name, this.handle, out), name);
  }

  /** nvmlProcessInfo_v2_t and _v3: u32 pid, u64 usedGpuMemory at 8, two u32; 24 bytes. */
  private runningProcesses(name: string): readonly NvmlProcess[] | undefined {
    const entryBytes = 24;
    // Grows while the driver says that more processes came than there was room for.
    for (let room = 64; room <= 4096; room *= 4) {
      const count = new Uint32Array([room]);
      const list = Buffer.alloc(room * entryBytes);
      const status = this.calls.call(name, this.handle, count, list);
      if (status === statusInsufficientSize) {
        continue;
      }
      if (!isDone(status, name)) {
        return undefined;
      }
      return Array.from({ length: count[0] as number }, (_, index) => {
        const used = list.readBigUInt64LE(index * entryBytes + 8);
        return { pid: list.readUInt32LE(index * entryBytes), ...(used === valueNotAvailable ? {} : { usedBytes: Number(used) }) };
      });
    }
    return undefined;
  }
}

/** The one place where a status is judged: true for success, false for "cannot be had". */
function isDone(status: number | undefined, call: string): boolean {
  if (status !== undefined && isLostStatus(status)) {
    throw new NvmlDeviceLostError(status, call);
  }
  return status === statusSuccess;
}

function cString(bytes: Buffer): string {
  const end = bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

const u64 = (bytes: Buffer, offset: number): number => Number(bytes.readBigUInt64LE(offset));
const fromMilli = (value: number | undefined): number | undefined => (value === undefined ? undefined : value / 1000);
const firstLine = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0] as string;
