/** CPU utilisation and memory of the machine, and the share of processes we watch. Rates are differences between two reads. */

import { cpus } from 'node:os';
import { cpuDevice } from '../../common/deviceId';
import type { DeviceReading } from '../../common/protocol/monitor';
import { readMainMemory } from '../probe/cpuProbe';
import type { SystemFiles } from '../probe/systemFiles';

interface CpuTimes {
  readonly busy: number;
  readonly total: number;
}

/** Linux counts process times in hundredths of a second on every architecture we run on. */
const ticksPerSecond = 100;

export class CpuReader {
  private lastTimes: CpuTimes | undefined;
  private readonly lastProcessTicks = new Map<number, { readonly ticks: number; readonly timeMs: number }>();

  constructor(private readonly files: SystemFiles) {}

  /** The first read has no rates. */
  read(nowMs: number, ownPids: readonly number[]): DeviceReading {
    const memory = readMainMemory(this.files);
    return {
      id: cpuDevice,
      utilizationPercent: this.readUtilization(),
      usedBytes: memory.totalBytes - memory.freeBytes,
      freeBytes: memory.freeBytes,
      totalBytes: memory.totalBytes,
      ...this.readOwnShare(nowMs, ownPids),
    };
  }

  private readUtilization(): number | undefined {
    const times = this.readTimes();
    const before = this.lastTimes;
    this.lastTimes = times;
    const total = before === undefined ? 0 : times.total - before.total;
    return before === undefined || total <= 0 ? undefined : Math.min(100, Math.max(0, (100 * (times.busy - before.busy)) / total));
  }

  private readTimes(): CpuTimes {
    // The first line of /proc/stat, "cpu  user nice system idle iowait irq softirq steal …"; os.cpus() reads far more, once per core.
    const line = /^cpu +(.+)$/m.exec(this.files.readText('proc/stat') ?? '')?.[1];
    if (line !== undefined) {
      const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line.split(' ').map(Number);
      const busy = user + nice + system + irq + softirq + steal;
      return { busy, total: busy + idle + iowait };
    }
    return cpus().reduce<CpuTimes>(
      (sum, { times }) => {
        const busy = times.user + times.nice + times.sys + times.irq;
        return { busy: sum.busy + busy, total: sum.total + busy + times.idle };
      },
      { busy: 0, total: 0 },
    );
  }

  /** Processes that are gone, or whose times cannot be read on this system, add nothing; with none readable the share is unknown. */
  private readOwnShare(nowMs: number, pids: readonly number[]): Pick<DeviceReading, 'ownUtilizationPercent' | 'ownBytes'> {
    let percent: number | undefined;
    let bytes: number | undefined;
    for (const pid of pids) {
      const ticks = this.readProcessTicks(pid);
      const before = this.lastProcessTicks.get(pid);
      if (ticks === undefined) {
        this.lastProcessTicks.delete(pid);
        continue;
      }
      this.lastProcessTicks.set(pid, { ticks, timeMs: nowMs });
      if (before !== undefined && nowMs > before.timeMs) {
        percent = (percent ?? 0) + (100 * (ticks - before.ticks)) / ticksPerSecond / ((nowMs - before.timeMs) / 1000);
      }
      const residentKib = /^VmRSS:\s+(\d+) kB$/m.exec(this.files.readText(`proc/${pid}/status`) ?? '')?.[1];
      bytes = residentKib === undefined ? bytes : (bytes ?? 0) + Number(residentKib) * 1024;
    }
    for (const pid of this.lastProcessTicks.keys()) {
      if (!pids.includes(pid)) {
        this.lastProcessTicks.delete(pid);
      }
    }
    return { ownUtilizationPercent: percent, ownBytes: bytes };
  }

  /** User and system time; the command name in parentheses may itself hold spaces and parentheses. */
  private readProcessTicks(pid: number): number | undefined {
    const stat = this.files.readText(`proc/${pid}/stat`);
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields?.[11]) + Number(fields?.[12]);
    return Number.isFinite(ticks) ? ticks : undefined;
  }
}
