/**
 * Conversations on disk: one JSON file each, replaced in one step, so that neither a crash nor a second window can leave half of one.
 *
 * There is no index file: what exists is what the folder holds, and two windows never write the same list.
 */

import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../../common/log';
import type { Conversation } from '../../common/protocol/webview';
import { replaceFile } from '../replaceFile';
import { markInterrupted } from './conversationEdits';
import { parseConversation } from './parseConversation';

export interface ConversationSummary {
  readonly id: string;
  readonly title: string;
  readonly updatedAtMs: number;
}

/** Above this a conversation takes no more text; it keeps saving and the list quick. */
export const largestConversationBytes = 8 * 1024 * 1024;

interface KnownFile {
  readonly mtimeMs: number;
  readonly summary: ConversationSummary | undefined;
}

export class ConversationStore {
  private readonly known = new Map<string, KnownFile>();
  /** Writes run one after the other, so that an older text never replaces a newer one. */
  private writes: Promise<void> = Promise.resolve();

  constructor(
    private readonly folder: string,
    private readonly log: Log,
  ) {}

  /** Newest first. Files that are no conversation are skipped. */
  async list(): Promise<readonly ConversationSummary[]> {
    await this.writes;
    const names = (await readdir(this.folder).catch(() => [] as string[])).filter((name) => isConversationFile(name));
    const summaries: ConversationSummary[] = [];
    for (const name of names) {
      const path = join(this.folder, name);
      const mtimeMs = (await stat(path).catch(() => undefined))?.mtimeMs;
      if (mtimeMs === undefined) {
        continue;
      }
      let entry = this.known.get(name);
      if (entry?.mtimeMs !== mtimeMs) {
        const conversation = await this.readConversation(path);
        entry = { mtimeMs, summary: conversation === undefined ? undefined : summaryOf(conversation) };
        this.known.set(name, entry);
      }
      if (entry.summary !== undefined) {
        summaries.push(entry.summary);
      }
    }
    return summaries.sort((a, b) => b.updatedAtMs - a.updatedAtMs);
  }

  /** The conversation, with answers that were cut off marked as such; undefined when there is none or its file is broken. */
  async read(id: string): Promise<Conversation | undefined> {
    await this.writes;
    const conversation = isId(id) ? await this.readConversation(this.pathOf(id)) : undefined;
    return conversation === undefined ? undefined : markInterrupted(conversation);
  }

  /**
   * Replaces the conversation's file in one step.
   * @throws the file system's error, such as a full disk; the previous version is then still there.
   */
  save(conversation: Conversation): Promise<void> {
    return this.enqueue(() => replaceFile(this.pathOf(conversation.id), JSON.stringify({ version: 1, conversation })));
  }

  remove(id: string): Promise<void> {
    return this.enqueue(async () => {
      if (isId(id)) {
        await rm(this.pathOf(id), { force: true });
        this.known.delete(`${id}.json`);
      }
    });
  }

  /** Removes the oldest above `limit`, never `keepId`. */
  async prune(limit: number, keepId: string): Promise<void> {
    const all = await this.list();
    for (const summary of all.slice(limit)) {
      if (summary.id !== keepId) {
        this.log.log('info', 'history', `Removing the oldest conversation; glm.history.maxConversations is ${limit}.`);
        await this.remove(summary.id);
      }
    }
  }

  /** Settles when everything handed to {@link save} is on disk. */
  async flush(): Promise<void> {
    await this.writes;
  }

  private enqueue(action: () => Promise<void>): Promise<void> {
    const result = this.writes.then(action);
    this.writes = result.catch(() => undefined);
    return result;
  }

  private async readConversation(path: string): Promise<Conversation | undefined> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        this.log.log('warn', 'history', `A conversation cannot be read: ${(error as Error).message}`);
      }
      return undefined;
    }
    const conversation = parseConversation(text);
    if (conversation === undefined) {
      // Kept under another name, so that nothing is lost and the list is not stopped by it again.
      this.log.log('warn', 'history', `${path} is no valid conversation; it is kept as ${path}.broken`);
      await rename(path, `${path}.broken`).catch(() => undefined);
    }
    return conversation;
  }

  private pathOf(id: string): string {
    return join(this.folder, `${id}.json`);
  }
}

function summaryOf(conversation: Conversation): ConversationSummary {
  return { id: conversation.id, title: conversation.title, updatedAtMs: conversation.updatedAtMs };
}

/** Ids become file names, and they also come from the webview. */
function isId(id: string): boolean {
  return /^[0-9a-z][0-9a-z-]{0,63}$/i.test(id);
}

function isConversationFile(name: string): boolean {
  return name.endsWith('.json') && isId(name.slice(0, -'.json'.length));
}
