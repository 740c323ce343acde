/** The runtime's own profile of single runs: it writes a file per run, which is read and removed at once. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { OrtLibrary } from '../../../ort/ortLibrary';
import { RunOptions } from '../../../ort/running';
import { parseRuntimeTrace, type RuntimeTrace } from '../../../profiling/runtimeTrace';

/** Run options whose runs are profiled, for one session. Owns them and their folder. */
export class RunProfiles implements Disposable {
  readonly options: RunOptions;
  private readonly folder: string;

  private constructor(library: OrtLibrary, runConfig: Readonly<Record<string, string>>) {
    this.options = new RunOptions(library);
    this.folder = mkdtempSync(join(tmpdir(), 'glm-profile-'));
    Object.entries(runConfig).forEach(([key, value]) => this.options.setConfig(key, value));
    this.options.enableProfiling(join(this.folder, 'run'));
  }

  /** Undefined where the runtime can't profile a single run (before 1.25). */
  static tryOpen(library: OrtLibrary, runConfig: Readonly<Record<string, string>>): RunProfiles | undefined {
    return library.has('RunOptionsEnableProfiling') ? new RunProfiles(library, runConfig) : undefined;
  }

  /** The trace of the run since the last call. @throws {GlmError} `operator-trace-unreadable` */
  take(): RuntimeTrace {
    const files = readdirSync(this.folder).map((name) => join(this.folder, name));
    const texts = files.map((file) => readFileSync(file, 'utf8'));
    files.forEach((file) => rmSync(file, { force: true }));
    return parseRuntimeTrace(texts[texts.length - 1] ?? '[]');
  }

  [Symbol.dispose](): void {
    this.options.dispose();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
