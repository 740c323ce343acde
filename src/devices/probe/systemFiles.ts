/** Small reads of /proc and /sys under a root, so that tests can lay out a tree of their own. A missing or unreadable file is undefined. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

export class SystemFiles {
  constructor(private readonly root = '/') {}

  readText(path: string): string | undefined {
    try {
      return readFileSync(join(this.root, path), 'utf8');
    } catch {
      return undefined;
    }
  }

  /** The first number in a file. */
  readNumber(path: string): number | undefined {
    const text = this.readText(path)?.trim();
    const value = text === undefined || text === '' ? NaN : Number(text.split(/\s/)[0]);
    return Number.isFinite(value) ? value : undefined;
  }

  /** Sorted names in a folder; empty when there is none. */
  list(path: string): readonly string[] {
    try {
      return readdirSync(join(this.root, path)).sort();
    } catch {
      return [];
    }
  }

  readLink(path: string): string | undefined {
    try {
      return readlinkSync(join(this.root, path));
    } catch {
      return undefined;
    }
  }
}
