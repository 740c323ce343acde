/** One installation at a time per folder, across windows and terminals. A lock left by a process that has died is taken over. */

import { open, readFile, rm } from 'node:fs/promises';
import { SetupBusyError } from './setupErrors';

/** @returns the function that releases the lock. @throws {SetupBusyError} */
export async function takeInstallLock(path: string): Promise<() => Promise<void>> {
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(`${process.pid}\n`);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
        throw error;
      }
    }
    const pid = Number((await readFile(path, 'utf8').catch(() => '')).trim());
    if (Number.isInteger(pid) && pid > 0 && isAlive(pid)) {
      throw new SetupBusyError(pid);
    }
    await rm(path, { force: true });
  }
  throw new SetupBusyError(0);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
