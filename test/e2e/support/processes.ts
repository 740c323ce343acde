/** Running processes of the extension. Reads /proc: the e2e pass runs on Linux only. */

import { readdirSync, readFileSync } from 'node:fs';

/** Process ids of a bundle, such as `engineWorker.js`. Only processes of this run's folder count. */
export function processesOf(bundle: string, folder: string): readonly number[] {
  return listProcesses()
    .filter(({ command }) => command.includes(`/dist/${bundle}`) && command.includes(folder))
    .map(({ pid }) => pid);
}

function listProcesses(): readonly { readonly pid: number; readonly command: string }[] {
  return readdirNumbers('/proc').flatMap((pid) => {
    try {
      return [{ pid, command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ') }];
    } catch {
      return [];
    }
  });
}

function readdirNumbers(folder: string): readonly number[] {
  return readdirSync(folder).map(Number).filter(Number.isInteger);
}
