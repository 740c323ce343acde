/**
 * Which conversation a workspace had open last, in a file of its own.
 *
 * A served VS Code keeps the editor's own memory in the browser: it is written late, is lost with the browser's data, and another browser does not have it.
 */

import { readFile } from 'node:fs/promises';
import type { Log } from '../../common/log';
import { replaceFile } from '../replaceFile';

export class OpenConversation {
  private remembered: string | undefined;
  /** Writes run one after the other, so that the last id stays. */
  private writes: Promise<void> = Promise.resolve();

  /** @param path JSON file; it and its folder need not exist. */
  constructor(
    private readonly path: string,
    private readonly log: Log,
  ) {}

  /** The id, or undefined when none was remembered or the file cannot be used. */
  async read(): Promise<string | undefined> {
    await this.writes;
    try {
      const value = JSON.parse(await readFile(this.path, 'utf8')) as { id?: unknown } | null;
      return typeof value?.id === 'string' ? value.id : undefined;
    } catch {
      return undefined;
    }
  }

  /** Returns at once; a failed write is logged and tried again with the next call. */
  remember(id: string): void {
    if (id === this.remembered) {
      return;
    }
    this.remembered = id;
    this.writes = this.writes
      .then(() => replaceFile(this.path, JSON.stringify({ id })))
      .catch((error: unknown) => {
        this.remembered = undefined;
        this.log.log('warn', 'history', `Which conversation is open could not be remembered: ${String(error)}`);
      });
  }

  /** Settles when everything remembered is on disk. */
  async flush(): Promise<void> {
    await this.writes;
  }
}
