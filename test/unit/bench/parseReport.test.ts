import { mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mostReportBytes, parseReport, ReportFormatError } from '../../../src/bench/report/parseReport';
import { readReportFile } from '../../../src/bench/report/readReportFile';
import { reportSchema, type BenchmarkReport } from '../../../src/bench/report/schema';
import { toCsv, toJson, toMarkdown } from '../../../src/bench/report/writers';
import { toReportView } from '../../../src/extension/benchmark/reportView';
import { benchmarkReport } from '../../fakes/benchmarkReport';
import { spoiledDocument } from '../../fakes/spoiledDocument';

const text = toJson(benchmarkReport());
const edited = (edit: (value: Record<string, unknown>) => void): string => {
  const value = JSON.parse(text) as Record<string, unknown>;
  edit(value);
  return JSON.stringify(value);
};
const firstCase = (value: Record<string, unknown>): Record<string, unknown> => (value.cases as Record<string, unknown>[])[0]!;
const reasonOf = (broken: string): string => {
  try {
    parseReport('a.json', broken);
  } catch (error) {
    expect(error).toBeInstanceOf(ReportFormatError);
    return (error as ReportFormatError).message;
  }
  throw new Error('it was accepted');
};

describe('parseReport', () => {
  it('gives back what was written', () => {
    expect(parseReport('a.json', text)).toEqual(JSON.parse(text));
  });

  it('reads every report that is kept with the documentation', () => {
    const folder = 'docs/reports/2026-11-23-h200';
    const files = readdirSync(folder);
    expect(files.length).toBeGreaterThan(5);
    files.forEach((file) => expect(parseReport(file, readFileSync(join(folder, file), 'utf8')).cases.length).toBeGreaterThan(0));
  });

  it.each([
    ['', 'it is empty'],
    [text.slice(0, text.length / 2), /it is cut off after [\d,]+ characters/],
    ['{,}', 'JSON is broken'],
    ['null', 'names no schema'],
    ['{"schema":"other/1"}', 'its schema is "other/1".'],
    [edited((value) => (value.schema = 'glm-local-bench/2')), 'which a newer GLM Local wrote: update this one'],
    [edited((value) => (value.schema = 'glm-local-bench/0')), 'which an older GLM Local wrote'],
    [text.replace('"elapsedMs": 12000', '"elapsedMs": NaN'), 'it holds NaN, which is no JSON'],
    [text.replace('"elapsedMs": 12000', '"elapsedMs": 1e999'), 'elapsedMs is no number'],
    [edited((value) => delete value.environment), 'environment is no object'],
    [edited((value) => ((value.environment as { devices: unknown }).devices = 2)), 'environment.devices is no list'],
    [edited((value) => delete value.cases), 'cases is no list'],
    [edited((value) => delete value.notes), 'notes is no list'],
    [edited((value) => (value.startedAt = 'yesterday')), 'startedAt is no time'],
    [edited((value) => (firstCase(value).samples = [])), 'cases[0] has no samples'],
    [edited((value) => (firstCase(value).samples = [{}])), 'cases[0].samples[0].ttftMs is no number'],
    [edited((value) => (firstCase(value).rules = {})), 'cases[0].rules.promptTokens is no number'],
    [edited((value) => ((firstCase(value).rules as { eosIgnored: boolean }).eosIgnored = false)), 'cases[0].rules.eosIgnored is not true'],
    [edited((value) => (firstCase(value).load = { contextTokens: 1 })), 'cases[0].load.maxBatch is no number'],
    [edited((value) => (firstCase(value).summaries = { tpotMs: { median: 'fast' } })), 'cases[0].summaries.tpotMs.median is no number'],
  ])('names what is wrong', (broken, reason) => {
    expect(reasonOf(broken)).toMatch(reason);
    expect(reasonOf(broken)).toContain('a.json');
  });

  it('lets nothing through that the table, the exports or the view trip over, whatever stands in a place of the file', () => {
    fc.assert(
      fc.property(spoiledDocument(text), (spoiled) => {
        let report: BenchmarkReport;
        try {
          report = parseReport('a.json', spoiled);
        } catch (error) {
          expect(error).toBeInstanceOf(ReportFormatError);
          return;
        }
        expect(report.schema).toBe(reportSchema);
        toMarkdown(report);
        toCsv(report);
        toReportView({ id: 'a', report }, [{ id: 'b', report: benchmarkReport() }]);
      }),
      { numRuns: 500 },
    );
  });
});

describe('readReportFile', () => {
  it('refuses a file that is too large without reading it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'glm-report-'));
    const path = join(folder, 'large.json');
    writeFileSync(path, '');
    // Sparse: it takes no room on the disk.
    truncateSync(path, mostReportBytes + 2 ** 20);
    await expect(readReportFile(path)).rejects.toThrow('large.json is not a benchmark report of the schema glm-local-bench/1: it has 129 MiB, more than any report needs');
    rmSync(folder, { recursive: true });
  });
});
