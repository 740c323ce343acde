import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/common/log';
import type { Conversation } from '../../../../src/common/protocol/webview';
import { ConversationStore } from '../../../../src/extension/chat/conversationStore';
import { parseConversation } from '../../../../src/extension/chat/parseConversation';

let folder: string;
let store: ConversationStore;
const conversation = (id: string, updatedAtMs: number, text = 'Hi'): Conversation => ({ id, title: `Title of ${id}`, updatedAtMs, turns: [{ id: 't1', role: 'user', text }] });

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'glm-store-')), 'conversations');
  store = new ConversationStore(folder, silentLog);
});
afterEach(() => rmSync(join(folder, '..'), { recursive: true }));

describe('ConversationStore', () => {
  it('gives back what was saved, newest first in the list', async () => {
    await store.save(conversation('a', 1));
    await store.save(conversation('b', 2));
    expect(await new ConversationStore(folder, silentLog).read('a')).toEqual(conversation('a', 1));
    expect((await store.list()).map((item) => item.id)).toEqual(['b', 'a']);
  });

  it('sees what another window wrote', async () => {
    await store.save(conversation('a', 1));
    await store.list();
    await new ConversationStore(folder, silentLog).save({ ...conversation('a', 5), title: 'Renamed elsewhere' });
    expect(await store.list()).toEqual([{ id: 'a', title: 'Renamed elsewhere', updatedAtMs: 5 }]);
  });

  it('ends with the last of many saves and leaves no temporary files', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, index) => store.save(conversation('a', index, `text ${index}`))));
    expect((await store.read('a'))?.turns[0]?.text).toBe('text 19');
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  it('keeps the earlier version when a save fails', async () => {
    await store.save(conversation('a', 1));
    mkdirSync(join(folder, 'b.json'));
    writeFileSync(join(folder, 'b.json', 'in-the-way'), '');
    await expect(store.save(conversation('b', 2))).rejects.toThrow();
    await store.save(conversation('a', 3));
    expect((await store.read('a'))?.updatedAtMs).toBe(3);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('puts a broken file aside instead of losing it or stopping at it', async () => {
    await store.save(conversation('a', 1));
    writeFileSync(join(folder, 'bad.json'), '{"version":1,"conversation":{"id":');
    expect((await store.list()).map((item) => item.id)).toEqual(['a']);
    expect(readFileSync(join(folder, 'bad.json.broken'), 'utf8')).toContain('"version":1');
  });

  it('takes no ids that would leave its folder', async () => {
    writeFileSync(join(folder, '..', 'secret.json'), JSON.stringify({ version: 1, conversation: conversation('secret', 1) }));
    expect(await store.read('../secret')).toBeUndefined();
    await store.remove('../secret');
    expect(readdirSync(join(folder, '..'))).toContain('secret.json');
  });

  it('removes the oldest above the limit, never the open one', async () => {
    for (const [index, id] of ['a', 'b', 'c', 'd'].entries()) {
      await store.save(conversation(id, index));
    }
    await store.prune(2, 'a');
    expect((await store.list()).map((item) => item.id)).toEqual(['d', 'c', 'a']);
  });
});

describe('parseConversation', () => {
  it('never throws and gives only whole conversations', () => {
    const text = JSON.stringify({ version: 1, conversation: conversation('a', 1) });
    fc.assert(
      fc.property(fc.nat(text.length - 1), (end) => {
        expect(parseConversation(text.slice(0, end))).toBeUndefined();
      }),
    );
    fc.assert(fc.property(fc.json(), (json) => parseConversation(json) === undefined));
    expect(parseConversation(text)).toEqual(conversation('a', 1));
  });

  it('drops attachments and figures that are not what they should be', () => {
    const turn = { id: 't', role: 'assistant', text: 'x', attachments: [{ name: 'a', text: 'b' }, { name: 1 }], figures: { promptTokens: '1' }, error: 'no' };
    expect(parseConversation(JSON.stringify({ version: 1, conversation: { ...conversation('a', 1), turns: [turn] } }))?.turns).toEqual([{ id: 't', role: 'assistant', text: 'x', attachments: [{ name: 'a', text: 'b' }] }]);
  });
});
