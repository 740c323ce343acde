/** A report from a file. */

import { readFile, stat } from 'node:fs/promises';
import type { BenchmarkReport } from './schema';
import { mostReportBytes, parseReport, tooLarge } from './parseReport';

/**
 * Looks at the size first: a file that can be no report is not read.
 *
 * @throws {ReportFormatError} when it is no report; the file system's error when it can't be read.
 */
export async function readReportFile(path: string): Promise<BenchmarkReport> {
  const { size } = await stat(path);
  if (size > mostReportBytes) {
    throw tooLarge(path, size);
  }
  return parseReport(path, await readFile(path, 'utf8'));
}
