import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/common/log';
import { parseSmiRow, type SmiRow } from '../../../../src/devices/probe/nvidiaSmi';
import { visibleRows } from '../../../../src/devices/probe/nvidiaSource';
import { SmiReader, type SmiProcess } from '../../../../src/devices/telemetry/smiReader';

const lines = readFileSync(join(__dirname, '../../../fixtures/telemetry/smi-three-cards.csv'), 'utf8').trim().split('\n');
const rows = lines.map((line) => parseSmiRow(line) as SmiRow);

class FakeSmi implements SmiProcess {
  killed = false;
  line: (line: string) => void = () => undefined;
  end: () => void = () => undefined;
  onLine = (listener: (line: string) => void): void => void (this.line = listener);
  onEnd = (listener: () => void): void => void (this.end = listener);
  kill = (): void => void (this.killed = true);
}

function start(shown: readonly SmiRow[] = rows) {
  const started: { readonly args: readonly string[]; readonly process: FakeSmi }[] = [];
  const clock = { nowMs: 0 };
  const reader = new SmiReader({
    command: 'nvidia-smi',
    rows: shown,
    log: silentLog,
    now: () => clock.nowMs,
    start: (_command, args) => {
      const process = new FakeSmi();
      started.push({ args, process });
      return process;
    },
  });
  return { reader, started, clock };
}

describe('SmiReader', () => {
  it('runs one nvidia-smi while watched, another only when the interval changes', () => {
    const { reader, started } = start();
    reader.watch(1000);
    reader.watch(1000);
    expect(started).toHaveLength(1);
    expect(started[0]?.args.at(-1)).toBe('--loop-ms=1000');
    reader.watch(200);
    expect(started.map(({ process, args }) => [process.killed, args.at(-1)])).toEqual([
      [true, '--loop-ms=1000'],
      [false, '--loop-ms=500'],
    ]);
    reader.watch(undefined);
    expect(started[1]?.process.killed).toBe(true);
  });

  it('gives the newest row of each card, absent values undefined, a lost card as lost', () => {
    const { reader, started } = start();
    reader.watch(1000);
    expect(reader.read()).toEqual([{ id: 'cuda:0' }, { id: 'cuda:1' }, { id: 'cuda:2' }]);
    for (const line of ['garbage', ...lines]) {
      started[0]?.process.line(line);
    }
    const [first, second, third] = reader.read();
    expect(first).toEqual({
      id: 'cuda:0',
      utilizationPercent: 37,
      usedBytes: 1510 * 2 ** 20,
      freeBytes: 22710 * 2 ** 20,
      totalBytes: 24564 * 2 ** 20,
      temperatureCelsius: 54,
      powerWatts: 118.25,
      powerLimitWatts: 350,
      smClockMhz: 1920,
      memoryClockMhz: 9501,
    });
    expect([second?.utilizationPercent, second?.powerWatts, second?.smClockMhz]).toEqual([undefined, undefined, 300]);
    expect(third?.lost).toContain('cuda:2 is lost');
  });

  it('keeps to the order that CUDA uses', () => {
    const { reader, started } = start(visibleRows(rows, '1,0'));
    reader.watch(1000);
    lines.forEach((line) => started[0]?.process.line(line));
    expect(reader.read().map((one) => [one.id, one.smClockMhz])).toEqual([
      ['cuda:0', 300],
      ['cuda:1', 1920],
    ]);
  });

  it('says so when nvidia-smi falls silent', () => {
    const { reader, started, clock } = start();
    reader.watch(1000);
    started[0]?.process.line(lines[0] as string);
    clock.nowMs = 4999;
    expect(reader.read()[0]?.lost).toBeUndefined();
    clock.nowMs = 7000;
    expect(reader.read()[0]?.lost).toBe('cuda:0 gives no readings: nvidia-smi has been silent for 7 s.');
  });

  it('starts an nvidia-smi that ended again, but not in a tight loop', () => {
    const { reader, started, clock } = start();
    reader.watch(1000);
    started[0]?.process.end();
    reader.watch(1000);
    expect(started).toHaveLength(1);
    clock.nowMs = 6000;
    reader.watch(1000);
    expect(started).toHaveLength(2);
  });
});
