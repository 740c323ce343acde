import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/common/log';
import { OpenConversation } from '../../../../src/extension/chat/openConversation';

let folder: string;
let path: string;
const lines: string[] = [];
const open = (): OpenConversation => new OpenConversation(path, { ...silentLog, log: (_level, _topic, text) => void lines.push(text) });

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glm-open-'));
  path = join(folder, 'workspace', 'open-conversation.json');
  lines.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('OpenConversation', () => {
  it('knows the last of many ids in another window, and leaves no temporary files', async () => {
    const opened = open();
    ['a', 'b', 'b', 'c'].forEach((id) => opened.remember(id));
    await opened.flush();
    expect(await open().read()).toBe('c');
    expect(readdirSync(join(folder, 'workspace'))).toEqual(['open-conversation.json']);
  });

  it.each(['', 'null', '7', '{"id":', '{"id":7}', '[]'])('knows none when the file holds %j', async (text) => {
    mkdirSync(join(folder, 'workspace'));
    writeFileSync(path, text);
    expect(await open().read()).toBeUndefined();
  });

  it('knows none at first', async () => {
    expect(await open().read()).toBeUndefined();
  });

  it('says that it could not remember, and tries again', async () => {
    const opened = open();
    mkdirSync(path, { recursive: true });
    opened.remember('a');
    await opened.flush();
    expect(lines.join()).toContain('could not be remembered');
    rmdirSync(path);
    opened.remember('a');
    await opened.flush();
    expect(await open().read()).toBe('a');
  });
});
