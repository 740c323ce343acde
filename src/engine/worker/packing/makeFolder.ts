import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Makes a folder and those above it.
 *
 * Node's own recursive form never returns where the system says "no such folder" of a folder whose parent is there, as /proc does.
 * @throws the system's error for the first folder that cannot be made.
 */
export function makeFolder(path: string): void {
  if (existsSync(path)) {
    return;
  }
  const parent = dirname(path);
  if (parent !== path) {
    makeFolder(parent);
  }
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process may have been quicker.
    if (!existsSync(path)) {
      throw error;
    }
  }
}
