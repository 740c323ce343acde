/** nvidia-smi's CSV, for machines where NVML cannot be bound: which columns are asked for and how a row is read. */

/** One row. What the card or driver does not give is undefined. */
export interface SmiRow {
  readonly index: number;
  readonly uuid?: string;
  readonly name?: string;
  readonly pciBusId?: string;
  readonly driverVersion?: string;
  readonly totalBytes?: number;
  readonly usedBytes?: number;
  readonly freeBytes?: number;
  readonly utilizationPercent?: number;
  readonly temperatureCelsius?: number;
  readonly powerWatts?: number;
  readonly powerLimitWatts?: number;
  readonly smClockMhz?: number;
  readonly memoryClockMhz?: number;
  /** Set when nvidia-smi says that the card is gone. */
  readonly lost?: string;
}

/** The columns, in the order of the row. All of them are older than driver 470; one unknown name would make nvidia-smi refuse them all. */
export const smiColumns = [
  'index',
  'uuid',
  'name',
  'pci.bus_id',
  'driver_version',
  'memory.total',
  'memory.used',
  'memory.free',
  'utilization.gpu',
  'temperature.gpu',
  'power.draw',
  'power.limit',
  'clocks.sm',
  'clocks.mem',
] as const;

/** Arguments for one answer, or with an interval for one every so many milliseconds. */
export function smiArguments(intervalMs?: number): readonly string[] {
  return [`--query-gpu=${smiColumns.join(',')}`, '--format=csv,noheader,nounits', ...(intervalMs === undefined ? [] : [`--loop-ms=${intervalMs}`])];
}

/** Where nvidia-smi is when PATH does not have it. */
export function smiPaths(platform: NodeJS.Platform): readonly string[] {
  if (platform === 'win32') {
    return ['nvidia-smi.exe', 'C:\\Windows\\System32\\nvidia-smi.exe', 'C:\\Program Files\\NVIDIA Corporation\\NVSMI\\nvidia-smi.exe'];
  }
  return platform === 'linux' ? ['nvidia-smi', '/usr/lib/wsl/lib/nvidia-smi', '/usr/bin/nvidia-smi', '/usr/local/nvidia/bin/nvidia-smi'] : [];
}

/** A row of the CSV, or undefined for a line that is none (a warning, a half-written line). */
export function parseSmiRow(line: string): SmiRow | undefined {
  const cells = line.split(',').map((cell) => cell.trim());
  const index = Number(cells[0]);
  if (cells.length !== smiColumns.length || !/^\d+$/.test(cells[0] ?? '')) {
    return undefined;
  }
  const text = (position: number): string | undefined => (isMissing(cells[position]) ? undefined : cells[position]);
  const number = (position: number): number | undefined => {
    const cell = text(position);
    return cell === undefined || !Number.isFinite(Number(cell)) ? undefined : Number(cell);
  };
  const mebibytes = (position: number): number | undefined => {
    const value = number(position);
    return value === undefined ? undefined : Math.round(value * 2 ** 20);
  };
  return {
    index,
    uuid: text(1),
    name: text(2),
    pciBusId: text(3),
    driverVersion: text(4),
    totalBytes: mebibytes(5),
    usedBytes: mebibytes(6),
    freeBytes: mebibytes(7),
    utilizationPercent: number(8),
    temperatureCelsius: number(9),
    powerWatts: number(10),
    powerLimitWatts: number(11),
    smClockMhz: number(12),
    memoryClockMhz: number(13),
    ...(cells.some((cell) => /GPU is lost|requires reset/i.test(cell)) ? { lost: 'nvidia-smi says that the GPU is lost' } : {}),
  };
}

/** nvidia-smi writes absent values in brackets: `[N/A]`, `[Not Supported]`, `[Unknown Error]`. */
const isMissing = (cell: string | undefined): boolean => cell === undefined || cell === '' || cell === 'N/A' || /^\[.*\]$/.test(cell);
