import { mkdirSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeCheckpoint, openCheckpoint } from '../../../src/checkpoint/openCheckpoint';
import { config, f32, put, putCached, putSharded, safetensors, temporaryFolder } from './files';

const root = temporaryFolder();
const options = { env: { HOME: join(root, 'home') } };
let count = 0;
const fresh = (): string => join(root, `case-${++count}`);
const whole = (): string => putSharded(fresh());
const reasonOf = async (folder: string): Promise<unknown> => openCheckpoint(folder, options).then(() => 'opened', (error: { reason?: unknown; code?: unknown }) => error.reason ?? error.code);

describe('openCheckpoint', () => {
  it('reads a sharded folder: config, texts, tensors with their files', async () => {
    const folder = whole();
    put(join(folder, 'generation_config.json'), '\ufeff{"eos_token_id": 3}');
    const checkpoint = await openCheckpoint(folder, options);
    expect(checkpoint).toMatchObject({ folder, name: basename(folder), configJson: { model_type: 'glm4' }, generationConfigJson: { eos_token_id: 3 }, tokenizerFiles: { tokenizerJson: '{}', tokenizerModel: undefined } });
    expect([...checkpoint.tensors.values()].map(({ name, file, shape }) => [name, basename(file), shape])).toEqual([['a', 'model-1.safetensors', [2, 3]], ['b', 'model-1.safetensors', [4]], ['c', 'model-2.safetensors', [1]]]);
    expect(checkpoint.fileBytes).toBe((await describeCheckpoint(folder, options)).fileBytes);
  });

  it('reads additional chat templates by name, and nothing else of their folder', async () => {
    const folder = whole();
    expect((await openCheckpoint(folder, options)).tokenizerFiles.additionalChatTemplates).toBeUndefined();
    mkdirSync(join(folder, 'additional_chat_templates'));
    put(join(folder, 'additional_chat_templates/tool_use.jinja'), 'tools');
    put(join(folder, 'additional_chat_templates/notes.txt'), 'x');
    expect((await openCheckpoint(folder, options)).tokenizerFiles.additionalChatTemplates).toEqual({ tool_use: 'tools' });
  });

  it('reads a single file, which goes before an index', async () => {
    const folder = whole();
    put(join(folder, 'model.safetensors'), safetensors({ only: f32(0, 1) }, 4));
    expect([...(await openCheckpoint(folder, options)).tensors.keys()]).toEqual(['only']);
  });

  it('has an identity that changes with size, time, header and config, and with nothing else', async () => {
    const folder = whole();
    const identity = async (): Promise<string> => (await openCheckpoint(folder, options)).identity;
    const first = await identity();
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await identity()).toBe(first);
    utimesSync(join(folder, 'model-2.safetensors'), 1, 1);
    const second = await identity();
    expect(second).not.toBe(first);
    writeFileSync(join(folder, 'config.json'), `${config} `);
    expect(await identity()).not.toBe(second);
  });

  it.each<[string, string, (folder: string) => void]>([
    ['no config', 'no-config', (folder) => rmSync(join(folder, 'config.json'))],
    ['config not JSON', 'config-not-json', (folder) => put(join(folder, 'config.json'), '{"model_type": ')],
    ['config a list', 'config-not-json', (folder) => put(join(folder, 'config.json'), '[1]')],
    ['a config with a key twice', 'config-not-json', (folder) => put(join(folder, 'config.json'), '{"a":1,"a":2}')],
    ['a config nested deeply', 'config-not-json', (folder) => put(join(folder, 'config.json'), '['.repeat(100_000))],
    ['a huge config', 'config-too-large', (folder) => (put(join(folder, 'config.json'), ''), truncateSync(join(folder, 'config.json'), 5 * 1024 ** 2))],
    ['a config that is a folder', 'unreadable', (folder) => (rmSync(join(folder, 'config.json')), mkdirSync(join(folder, 'config.json')))],
    ['generation_config not JSON', 'config-not-json', (folder) => put(join(folder, 'generation_config.json'), 'x')],
    ['no weights', 'no-safetensors', (folder) => (rmSync(join(folder, 'model.safetensors.index.json')), rmSync(join(folder, 'model-1.safetensors')), rmSync(join(folder, 'model-2.safetensors')))],
    ['shards without an index', 'no-safetensors', (folder) => rmSync(join(folder, 'model.safetensors.index.json'))],
    ['an index that is not JSON', 'index-not-json', (folder) => put(join(folder, 'model.safetensors.index.json'), '{')],
    ['an index without a map', 'index-malformed', (folder) => put(join(folder, 'model.safetensors.index.json'), '{"weight_map": []}')],
    ['an index with a number', 'index-malformed', (folder) => put(join(folder, 'model.safetensors.index.json'), '{"weight_map": {"a": 1}}')],
    ['a missing shard', 'shard-missing', (folder) => rmSync(join(folder, 'model-2.safetensors'))],
    ['a truncated shard', 'truncated', (folder) => truncateSync(join(folder, 'model-1.safetensors'), 100)],
    ['a tensor that its shard lacks', 'tensor-missing', (folder) => put(join(folder, 'model-2.safetensors'), safetensors({ d: f32(0, 1) }, 4))],
    ['a tensor in another shard than said', 'tensor-missing', (folder) => put(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors' } }))],
  ])('refuses %s', async (_what, reason, damage) => {
    const folder = whole();
    damage(folder);
    expect(await reasonOf(folder)).toBe(reason);
  });

  it.each(['../model-1.safetensors', '/etc/passwd', '/etc/x.safetensors', 'sub/model.safetensors', '..\\x.safetensors', 'C:x.safetensors', 'model.bin', 'x\0.safetensors', ''])('refuses an index that points at %j', async (file) => {
    const folder = whole();
    put(join(folder, 'model.safetensors.index.json'), JSON.stringify({ weight_map: { a: file } }));
    expect(await reasonOf(folder)).toBe('index-bad-path');
  });

  it('says what to do instead: a file, a parent folder, a folder that is not there', async () => {
    const folder = whole();
    await expect(openCheckpoint(join(folder, 'config.json'), options)).rejects.toMatchObject({ reason: 'not-a-folder', message: expect.stringContaining(folder) as string });
    const parent = fresh();
    putSharded(join(parent, 'inner'));
    await expect(openCheckpoint(parent, options)).rejects.toMatchObject({ reason: 'no-config', message: expect.stringContaining(`Did you mean ${join(parent, 'inner')}?`) as string });
    await expect(openCheckpoint(join(root, 'nowhere'), options)).rejects.toMatchObject({ reason: 'not-found' });
    for (const source of ['', '  ']) {
      await expect(openCheckpoint(source, options)).rejects.toMatchObject({ reason: 'not-found', message: expect.stringContaining('No model is named') as unknown });
    }
  });

  it('knows the models of other programs, and what to get instead', async () => {
    const folder = fresh();
    put(join(folder, 'glm-4-9b-Q4.gguf'), new Uint8Array(8));
    await expect(openCheckpoint(join(folder, 'glm-4-9b-Q4.gguf'), options)).rejects.toMatchObject({ reason: 'not-a-folder', message: expect.stringMatching(/GGUF.*original release/) as string });
    await expect(openCheckpoint(folder, options)).rejects.toMatchObject({ reason: 'no-config', message: expect.stringMatching(/GGUF/) as string });
    const adapter = fresh();
    put(join(adapter, 'adapter_config.json'), '{}');
    await expect(openCheckpoint(adapter, options)).rejects.toMatchObject({ reason: 'no-config', message: expect.stringMatching(/LoRA.*[Mm]erge/) as string });
  });

  it('knows a repository that was cloned without Git LFS', async () => {
    const folder = whole();
    put(join(folder, 'tokenizer.json'), 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 7\n');
    await expect(openCheckpoint(folder, options)).rejects.toMatchObject({ code: 'checkpoint-lfs-pointer', message: expect.stringMatching(/^tokenizer\.json is a Git LFS pointer.*git lfs pull/) as string });
  });

  it('stops when the signal aborts', async () => {
    await expect(openCheckpoint(whole(), { ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('describes a folder whose weights are missing, without an error', async () => {
    const folder = fresh();
    put(join(folder, 'config.json'), config);
    expect(await describeCheckpoint(folder, options)).toMatchObject({ fileBytes: 0, configJson: { model_type: 'glm4' } });
  });
});

describe('the Hugging Face cache', () => {
  const weights = safetensors({ a: f32(0, 1) }, 4);
  const files = { 'config.json': config, 'model.safetensors': weights };

  it.each([
    ['HF_HUB_CACHE', (at: string) => [at, { HF_HUB_CACHE: at }]],
    ['HUGGINGFACE_HUB_CACHE', (at: string) => [at, { HUGGINGFACE_HUB_CACHE: at }]],
    ['HF_HOME', (at: string) => [join(at, 'hub'), { HF_HOME: at }]],
    ['XDG_CACHE_HOME', (at: string) => [join(at, 'huggingface', 'hub'), { XDG_CACHE_HOME: at }]],
    ['the home folder', (at: string) => [join(at, '.cache', 'huggingface', 'hub'), { HOME: at }]],
    ['the home folder on Windows', (at: string) => [join(at, '.cache', 'huggingface', 'hub'), { USERPROFILE: at }]],
    ['a path with ~', (at: string) => [join(at, 'models'), { HF_HUB_CACHE: '~/models', HOME: at }]],
  ] as [string, (at: string) => [string, Record<string, string>]][])('is found by %s, through links into blobs', async (_what, make) => {
    const [cache, env] = make(fresh());
    const repo = putCached(cache, 'org/GLM-4', 'abcdef1', files);
    expect(await openCheckpoint('org/GLM-4', { env })).toMatchObject({ name: 'org/GLM-4', folder: join(repo, 'snapshots', 'abcdef1') });
  });

  it('follows refs/main, else takes the newest snapshot that has weights', async () => {
    const cache = fresh();
    const env = { HF_HUB_CACHE: cache };
    putCached(cache, 'o/n', '1111111', { 'config.json': config }, null);
    const repo = putCached(cache, 'o/n', '2222222', files, null);
    putCached(cache, 'o/n', '3333333', files, null);
    utimesSync(join(repo, 'snapshots', '2222222'), 2e9, 2e9);
    utimesSync(join(repo, 'snapshots', '3333333'), 1e9, 1e9);
    utimesSync(join(repo, 'snapshots', '1111111'), 3e9, 3e9);
    const opened = async (): Promise<string> => basename((await openCheckpoint('o/n', { env })).folder);
    expect(await opened()).toBe('2222222');
    put(join(repo, 'refs', 'main'), '3333333\n');
    expect(await opened()).toBe('3333333');
    put(join(repo, 'refs', 'main'), '../../../etc');
    expect(await opened()).toBe('2222222');
  });

  it('takes the folder of a repository or of a snapshot, and knows its name', async () => {
    const cache = fresh();
    const repo = putCached(cache, 'o/n', '4444444', files);
    expect((await openCheckpoint(repo, options)).name).toBe('o/n');
    expect((await openCheckpoint(join(repo, 'snapshots', '4444444'), options)).name).toBe('o/n');
  });

  it('explains unfinished downloads: no snapshot, a link without its blob, a missing shard', async () => {
    const cache = fresh();
    const env = { HF_HUB_CACHE: cache };
    const refusal = (source: string) => openCheckpoint(source, { env }).catch((error: unknown) => error);
    put(join(cache, 'models--a--a', 'blobs', 'x.incomplete'), new Uint8Array(2048));
    expect(await refusal('a/a')).toMatchObject({ reason: 'download-incomplete', message: expect.stringMatching(/1 unfinished download of 2\.0 KiB/) as string });
    const b = putCached(cache, 'b/b', '5555555', files);
    rmSync(join(b, 'blobs', '5555555-config.json'));
    expect(await refusal('b/b')).toMatchObject({ reason: 'download-incomplete' });
    const c = putCached(cache, 'c/c', '6666666', files);
    rmSync(join(c, 'blobs', '6666666-model.safetensors'));
    expect(await refusal('c/c')).toMatchObject({ reason: 'shard-missing' });
    put(join(c, 'blobs', 'y.incomplete'), new Uint8Array(10));
    expect(await refusal('c/c')).toMatchObject({ reason: 'download-incomplete', next: [{ label: 'Download it again: hf download c/c' }] });
  });

  it('takes the address of a page on the hub, and a name with a slash behind it', async () => {
    const cache = fresh();
    putCached(cache, 'org/GLM-4', '7777777', files);
    for (const source of ['org/GLM-4/', 'https://huggingface.co/org/GLM-4', 'https://huggingface.co/org/GLM-4/tree/main', 'http://www.huggingface.co/org/GLM-4/', 'https://hf.co/org/GLM-4']) {
      expect((await openCheckpoint(source, { env: { HF_HUB_CACHE: cache } })).name, source).toBe('org/GLM-4');
    }
    for (const source of ['https://huggingface.co/org', 'https://example.org/org/GLM-4', 'https://huggingface.co/a/..', 'org/GLM-4/sub']) {
      await expect(openCheckpoint(source, { env: { HF_HUB_CACHE: cache } }), source).rejects.toMatchObject({ reason: 'not-found' });
    }
  });

  it('says where it looked', async () => {
    const env = { HF_HOME: join(root, 'hf'), HOME: join(root, 'h') };
    await expect(openCheckpoint('org/none', { env })).rejects.toMatchObject({ reason: 'not-found', fields: { roots: [join(root, 'hf', 'hub'), join(root, 'h', '.cache', 'huggingface', 'hub')] } });
    await expect(openCheckpoint('../escape', { env })).rejects.toMatchObject({ reason: 'not-found' });
  });
});
