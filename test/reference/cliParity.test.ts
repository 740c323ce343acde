/** `glm` as a user runs it, on the committed tiny checkpoints, against what transformers computed for them. */

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildBundles, type Bundles } from '../fakes/bundles';
import { checkpointFolder, checkpointNames, temporaryFolder, type CheckpointName, type TemporaryFolder } from '../fakes/checkpoints';

/** Of the logits' standard deviation. */
const tolerance = 2e-4;

interface Reference {
  readonly prompts: readonly { readonly name: string; readonly ids: readonly number[]; readonly logits: readonly number[]; readonly logitsStd: number; readonly greedyIds: readonly number[] }[];
}

let bundles: Bundles;
let folder: TemporaryFolder;
beforeAll(async () => {
  bundles = await buildBundles(['cli', 'engineWorker', 'packThread', 'monitor']);
  folder = temporaryFolder();
});
afterAll(() => {
  bundles.remove();
  folder.remove();
});

const environment = (): NodeJS.ProcessEnv => ({ ...process.env, GLM_LOCAL_CACHE: join(folder.path, 'cache') });

function glm(...args: readonly string[]): { readonly code: number | null; readonly stdout: string; readonly stderr: string } {
  const run = spawnSync(process.execPath, [bundles.path('cli'), ...args], { env: environment(), encoding: 'utf8', maxBuffer: 2 ** 28 });
  return { code: run.status, stdout: run.stdout, stderr: run.stderr };
}

function glmJson<T>(...args: readonly string[]): T {
  const run = glm(...args, '--json');
  expect(run.stderr).toBe('');
  expect(run.code).toBe(0);
  return JSON.parse(run.stdout) as T;
}

function referenceOf(name: CheckpointName): Reference {
  return JSON.parse(readFileSync(join(checkpointFolder(name), 'reference.json'), 'utf8')) as Reference;
}

describe.each(checkpointNames)('glm on %s', (name) => {
  const { prompts } = referenceOf(name);
  const f32 = ['--model', checkpointFolder(name), '--weights', 'f32', '--threads', '1'] as const;
  const newTokens = String(prompts[0]?.greedyIds.length);

  it.each(['1', '2'])("gives transformers' logits with %s stages", (stages) => {
    const differences = prompts.map(({ ids, logits, logitsStd }) => {
      const result = glmJson<{ logits: number[] }>('logits', ...f32, '--stages', stages, '--ids', ids.join(','));
      expect(result.logits).toHaveLength(logits.length);
      return Math.max(...result.logits.map((value, id) => Math.abs(value - (logits[id] ?? NaN)))) / logitsStd;
    });
    expect(Math.max(...differences), `differences ${differences.map((value) => value.toExponential(1)).join(', ')}`).toBeLessThan(tolerance);
  });

  it('continues like transformers: alone, in two stages and in one batch', () => {
    const expected = prompts.map(({ greedyIds }) => greedyIds);
    const generate = (...args: readonly string[]): readonly (readonly number[])[] => {
      const result = glmJson<{ ids?: number[]; rows?: { ids: number[] }[] }>('generate', ...f32, ...args, '--max-new-tokens', newTokens, '--ignore-eos');
      return result.rows?.map((row) => row.ids) ?? [result.ids ?? []];
    };
    const idArgs = prompts.flatMap(({ ids }) => ['--ids', ids.join(',')]);
    expect(prompts.flatMap(({ ids }) => generate('--ids', ids.join(',')))).toEqual(expected);
    expect(generate(...idArgs)).toEqual(expected);
    expect(generate(...idArgs, '--stages', '2')).toEqual(expected);
    expect(generate(...idArgs, '--max-batch', '1')).toEqual(expected);
  });

  it('runs with packed weights, the second time from the cache', () => {
    const [prompt] = prompts;
    const run = (): readonly number[] => glmJson<{ ids: number[] }>('generate', '--model', checkpointFolder(name), '--weights', 'int8', '--threads', '1', '--ids', String(prompt?.ids.join(',')), '--max-new-tokens', '8', '--ignore-eos').ids;
    const first = run();
    expect(first).toHaveLength(8);
    expect(run()).toEqual(first);
  });
});

describe('glm as a process', () => {
  const model = ['--model', checkpointFolder('tiny-glm'), '--weights', 'f32', '--threads', '1'] as const;

  it('tokenizes and renders without loading weights', () => {
    const text = join(folder.path, 'text.txt');
    writeFileSync(text, 'Hello, 世界 <|user|>');
    const ids = (...flags: readonly string[]): readonly number[] => glmJson<{ ids: number[] }>('tokenize', '--model', checkpointFolder('tiny-glm'), '--text-file', text, ...flags).ids;
    expect(ids().slice(-ids('--no-special').length)).toEqual(ids('--no-special'));
    expect(ids('--plain-text').length).toBeGreaterThan(ids('--no-special').length);
    const messages = join(folder.path, 'messages.json');
    writeFileSync(messages, JSON.stringify([{ role: 'user', content: 'Hi <|assistant|>' }]));
    const rendered = glmJson<{ text: string; ids: number[] }>('template', '--model', checkpointFolder('tiny-edge'), '--messages', messages);
    expect(rendered.text).toContain('Hi <|assistant|>');
    expect(rendered.ids.length).toBeGreaterThan(0);
  });

  it('runs more prompts than slots, without a word on stderr', () => {
    const ids = Array.from({ length: 12 }, (_, row) => ['--ids', `${row + 1},2,3`]).flat();
    const { rows } = glmJson<{ rows: { ids: number[] }[] }>('generate', ...model, ...ids, '--max-batch', '4', '--max-new-tokens', '3', '--ignore-eos');
    expect(rows.map((row) => row.ids.length)).toEqual(Array.from({ length: 12 }, () => 3));
  });

  it('says that a full device takes no output', () => {
    if (!existsSync('/dev/full')) {
      return;
    }
    const full = openSync('/dev/full', 'w');
    const run = spawnSync(process.execPath, [bundles.path('cli'), 'devices', '--json'], { env: environment(), encoding: 'utf8', stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    expect(run.status).toBe(1);
    expect(run.stderr).toContain("Standard output can't be written");
  });

  it('names the signal that ended the engine, once', async () => {
    const child = spawn(process.execPath, [bundles.path('cli'), 'generate', ...model, '--ids', '1,2,3', '--context', '60000', '--max-new-tokens', '50000', '--ignore-eos'], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(/\s+/);
    children.forEach((pid) => process.kill(Number(pid), 'SIGKILL'));
    expect(await ended).toBe(1);
    expect(stderr.match(/was ended by signal 9 \(SIGKILL\)/g)).toHaveLength(1);
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('ends in good order on %s, with what it has', async (signal, code) => {
    const child = spawn(process.execPath, [bundles.path('cli'), 'generate', ...model, '--ids', '1,2,3', '--context', '60000', '--max-new-tokens', '50000', '--ignore-eos'], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<readonly [number | null, string | null]>((resolve) => child.on('close', (...args) => resolve(args)));
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    const [engine] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(/\s+/);
    child.kill(signal);
    expect(await ended).toEqual([code, null]);
    expect(stderr).toMatch(/cancelled/);
    expect(existsSync(`/proc/${engine}`)).toBe(false);
  });

  it('samples the same with the same seed, and otherwise with another', () => {
    const sample = (seed: string): readonly number[] => glmJson<{ ids: number[] }>('generate', ...model, '--ids', '1,2,3', '--temperature', '1.5', '--seed', seed, '--max-new-tokens', '20', '--ignore-eos').ids;
    expect(sample('1')).toEqual(sample('1'));
    expect(sample('1')).not.toEqual(sample('2'));
  });

  it('lists devices and plans for them', () => {
    expect(glmJson<{ devices: { id: string }[] }>('devices').devices.map((device) => device.id)).toContain('cpu');
    const plan = glmJson<{ stages: { weightBytes: number }[] }>('plan', ...model, '--stages', '2');
    expect(plan.stages).toHaveLength(2);
    const devices = join(folder.path, 'devices.json');
    writeFileSync(devices, JSON.stringify([{ id: 'cuda:0', freeBytes: '8GiB' }, { id: 'cuda:1', freeBytes: '8GiB' }]));
    const twoGpus = glmJson<{ stages: { device: string }[]; weightFormat: string }>('plan', '--model', checkpointFolder('tiny-glm'), '--devices', devices, '--device-map', 'balanced');
    expect(twoGpus.stages.map((stage) => stage.device)).toEqual(['cuda:0', 'cuda:1']);
    expect(twoGpus.weightFormat).toBe('bf16');
  });

  it('fails by the typed error', () => {
    const run = glm('logits', '--model', join(folder.path, 'nowhere'), '--ids', '1', '--json');
    expect(run.code).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ error: { code: 'checkpoint-not-found' } });
    expect(run.stderr).toContain('nowhere');
  });

  it('on Ctrl-C prints what there is and exits with 130, leaving no engine behind', async () => {
    // A process group of its own, so that the signal reaches the engine too, as from a terminal.
    const child = spawn(process.execPath, [bundles.path('cli'), 'generate', ...model, '--ids', '1,2,3', '--context', '60000', '--max-new-tokens', '50000', '--ignore-eos'], { env: environment(), detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()));
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    await new Promise((resolve) => child.stdout.once('data', resolve));
    process.kill(-(child.pid ?? 0), 'SIGINT');
    expect(await ended).toBe(130);
    expect(stderr).toMatch(/3 prompt tokens · \d+ generated · .* · cancelled/);
    expect(() => process.kill(-(child.pid ?? 0), 0)).toThrow();
  });

  it('serves the OpenAI interface until Ctrl-C', async () => {
    const child = spawn(process.execPath, [bundles.path('cli'), 'serve', '--model', checkpointFolder('tiny-edge'), '--weights', 'f32', '--threads', '1', '--port', '0', '--json'], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
    const started = JSON.parse(String(await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve)))) as { url: string; model: string };
    const post = async (body: object): Promise<unknown> => (await fetch(`${started.url}/v1/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })).json();
    const [prompt] = referenceOf('tiny-edge').prompts;
    const expected = glmJson<{ text: string }>('generate', '--model', checkpointFolder('tiny-edge'), '--weights', 'f32', '--threads', '1', '--ids', String(prompt?.ids.join(',')), '--max-new-tokens', '6', '--ignore-eos').text;
    expect(await post({ prompt: prompt?.ids, max_tokens: 6, temperature: 0, ignore_eos: true })).toMatchObject({ model: 'tiny-edge', choices: [{ text: expected, finish_reason: 'length' }], usage: { completion_tokens: 6 } });
    expect(await post({ prompt: [999_999], max_tokens: 1 })).toMatchObject({ error: { code: 'bad_token_id', type: 'invalid_request_error' } });
    child.kill('SIGINT');
    expect(await ended).toBe(130);
  });

  it('chats over a pipe', () => {
    const run = spawnSync(process.execPath, [bundles.path('cli'), 'chat', '--model', checkpointFolder('tiny-edge'), '--threads', '1', '--max-new-tokens', '5', '--ignore-eos'], { env: environment(), encoding: 'utf8', input: 'Hello\nAnd now?\n' });
    expect(run.status).toBe(0);
    expect(run.stderr.match(/5 generated/g)).toHaveLength(2);
    expect(run.stderr).toMatch(/\(\d+ reused\)/);
  });
});
