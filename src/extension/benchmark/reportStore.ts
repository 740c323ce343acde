/**
 * Benchmark reports on disk: one JSON file each, exactly what `glm bench --out` writes, so that the command line reads them too.
 * What exists is what the folder holds; files that are no report are skipped and left alone.
 */

import { createHash, randomUUID } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readReportFile } from '../../bench/report/readReportFile';
import { toJson } from '../../bench/report/writers';
import type { BenchmarkEnvironment, BenchmarkReport } from '../../bench/report/schema';
import type { Log } from '../../common/log';
import { replaceFile } from '../replaceFile';

export interface StoredReport {
  readonly id: string;
  readonly report: BenchmarkReport;
}

interface KnownFile {
  readonly mtimeMs: number;
  readonly report: BenchmarkReport | undefined;
}

/** Above this the oldest reports go. */
const mostReports = 500;

export class ReportStore {
  private readonly known = new Map<string, KnownFile>();

  constructor(
    readonly folder: string,
    private readonly log: Log,
    private readonly limit = mostReports,
  ) {}

  /** Newest first. */
  async list(): Promise<readonly StoredReport[]> {
    const reports: StoredReport[] = [];
    for (const id of await this.ids()) {
      const report = await this.read(id);
      if (report !== undefined) {
        reports.push({ id, report });
      }
    }
    return reports.sort((a, b) => b.report.startedAt.localeCompare(a.report.startedAt));
  }

  /** Undefined when there is none, or its file is no report of this schema. */
  async read(id: string): Promise<BenchmarkReport | undefined> {
    if (!isId(id)) {
      return undefined;
    }
    const path = this.pathOf(id);
    const mtimeMs = (await stat(path).catch(() => undefined))?.mtimeMs;
    if (mtimeMs === undefined) {
      return undefined;
    }
    const entry = this.known.get(id);
    if (entry?.mtimeMs === mtimeMs) {
      return entry.report;
    }
    const report = await this.readFile(path);
    this.known.set(id, { mtimeMs, report });
    return report;
  }

  /**
   * Keeps the report; the oldest above the limit go.
   * @throws the file system's error, such as a full disk; nothing is left half written.
   */
  async save(report: BenchmarkReport): Promise<StoredReport> {
    const id = `${report.startedAt.replace(/[^0-9]/g, '').slice(0, 14)}-${report.scenario}-${randomUUID().slice(0, 8)}`;
    await replaceFile(this.pathOf(id), toJson(report));
    // Ids begin with the time, so their order is the reports' order.
    const ids = [...(await this.ids())].sort();
    await Promise.all(ids.slice(0, Math.max(0, ids.length - this.limit)).map((old) => rm(this.pathOf(old), { force: true })));
    return { id, report };
  }

  private async ids(): Promise<readonly string[]> {
    const names = await readdir(this.folder).catch(() => [] as string[]);
    return names.filter((name) => name.endsWith('.json') && isId(name.slice(0, -'.json'.length))).map((name) => name.slice(0, -'.json'.length));
  }

  private async readFile(path: string): Promise<BenchmarkReport | undefined> {
    try {
      return await readReportFile(path);
    } catch (error) {
      this.log.log('warn', 'benchmark', `A report in the history is skipped: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  private pathOf(id: string): string {
    return join(this.folder, `${id}.json`);
  }
}

/** Reports of one machine belong together: system, processor, memory and the names of its devices, not driver versions or free memory. */
export function machineKey(environment: BenchmarkEnvironment): string {
  const { platform, cpu, logicalCores, memoryBytes, devices } = environment;
  const facts = [platform, cpu, logicalCores, memoryBytes, ...devices.map((device) => `${device.id} ${device.name}`).sort()];
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16);
}

/** Ids become file names, and they also come from the webview. */
function isId(id: string): boolean {
  return /^[0-9a-z][0-9a-z-]{0,80}$/.test(id);
}
