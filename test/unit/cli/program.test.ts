import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GlmError } from '../../../src/common/errors';
import { runFakeCli } from '../../fakes/fakeCli';
import { fakeDescription, fakeLoadedModel } from '../../fakes/fakeEngine';

const folder = mkdtempSync(join(tmpdir(), 'glm-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = (name: string, content: unknown): string => {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
};
const paramsOf = (run: Awaited<ReturnType<typeof runFakeCli>>, method: string): unknown => run.requests.find((request) => request.method === method)?.params;

describe('glm generate', () => {
  it('prints one JSON object with the promised names', async () => {
    const run = await runFakeCli(['generate', '--model', 'm', '--prompt', 'Hi', '--json']);
    expect(run.code).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({
      ids: [100, 101, 102, 103, 104],
      text: 'Hello, world',
      stopReason: 'eos',
      promptTokens: 2,
      ttftMs: 1,
      tpotMs: 2,
      decodeTokensPerSecond: 500,
      prefillTokensPerSecond: 1000,
      peakMemoryBytes: { cpu: 1100 },
    });
    expect(run.stderr).toBe('');
    expect(run.engineEnded).toBe(true);
  });

  it('streams the text to stdout and its figures to stderr', async () => {
    const run = await runFakeCli(['generate', '--model', 'm', '--prompt', 'Hi']);
    expect(run.stdout).toBe('Hello, world\n');
    expect(run.stderr).toBe('2 prompt tokens · 5 generated · TTFT 1 ms · 500.0 tok/s · eos\n');
  });

  it('gives rows for repeated ids, in the order asked, and lets them be decoded together', async () => {
    const run = await runFakeCli(['generate', '--model', 'm', '--ids', '1,2,3', '--ids', '[4, 5]', '--json']);
    const { rows } = JSON.parse(run.stdout) as { rows: { promptTokens: number }[] };
    expect(rows.map((row) => row.promptTokens)).toEqual([3, 2]);
    expect(paramsOf(run, 'model-load')).toMatchObject({ maxBatch: 2 });
  });

  it('reads a batch file with prompts of every form', async () => {
    const batch = file('batch.jsonl', '{"ids":[1,2]}\n{"prompt":"abc"}\n\n{"messages":[{"role":"user","content":"hello"}]}\n');
    const run = await runFakeCli(['generate', '--model', 'm', '--batch', batch, '--json']);
    expect((JSON.parse(run.stdout) as { rows: { promptTokens: number }[] }).rows.map((row) => row.promptTokens)).toEqual([2, 3, 5]);
  });

  it('gives the other rows when one of a batch is wrong, and says which', async () => {
    const batch = file('partly.jsonl', '\ufeff{"ids":[1,2]}\r\n\n{"prompt":"refuse"}\nnot json\n{"prompt":"abc"}\n');
    const refusing: Parameters<typeof runFakeCli>[1] = {
      behaviour: { refuses: (prompt) => (prompt.kind === 'text' && prompt.text === 'refuse' ? new GlmError('prompt-empty', 'Nothing to continue.', { next: [{ label: 'New chat', command: 'glm.newChat' }] }) : undefined) },
    };
    const run = await runFakeCli(['generate', '--model', 'm', '--batch', batch, '--json'], refusing);
    expect(run.code).toBe(1);
    expect((JSON.parse(run.stdout) as { rows: unknown[] }).rows).toMatchObject([
      { promptTokens: 2, stopReason: 'eos' },
      { error: { code: 'prompt-empty', message: 'Nothing to continue.', next: [] } },
      { error: { code: 'input-file' } },
      { promptTokens: 3, stopReason: 'eos' },
    ]);
    expect(run.stderr).toContain('row 2 failed: Nothing to continue.');
    expect(run.stderr).toMatch(/row 3 failed: .*partly\.jsonl line 4 can't be used/);
    const text = await runFakeCli(['generate', '--model', 'm', '--batch', batch], refusing);
    expect(text.code).toBe(1);
    expect(text.stdout).toMatch(/^--- 1: .*\nHello, world\n--- 2: failed\n--- 3: failed\n--- 4: /);
  });

  it('refuses a line of a batch that holds two prompts, naming both, and answers the others', async () => {
    const batch = file('both.jsonl', '{"ids":[1,2],"prompt":"abc"}\n{"ids":null,"prompt":"abc"}\n{"prompt":"abc","messages":[{"role":"user","content":"hello"}]}\n');
    const run = await runFakeCli(['generate', '--model', 'm', '--batch', batch, '--json']);
    expect(run.code).toBe(1);
    expect((JSON.parse(run.stdout) as { rows: unknown[] }).rows).toMatchObject([{ error: { code: 'input-file' } }, { promptTokens: 3 }, { error: { code: 'input-file' } }]);
    expect(run.stderr).toMatch(/row 1 failed: .*line 1 can't be used: it holds "ids" and "prompt"/);
    expect(run.stderr).toMatch(/row 3 failed: .*"prompt" and "messages"/);
  });

  it('says once what is aligned wrongly', async () => {
    const message = { kind: 'stage-on-cpu', key: 'k', message: '3 layers are on cpu.', next: [] } as const;
    const run = await runFakeCli(['generate', '--model', 'm', '--prompt', 'a'], {
      behaviour: {
        onLoad: ({ server }) => {
          server.emit('log', { timeMs: 0, level: 'warn', tag: 'alignment', message: message.message });
          server.emit('alignment-message', { ...message, state: 'found' });
          server.emit('alignment-message', { ...message, key: 'l', message: 'input_ids are moved.', state: 'fixed' });
        },
      },
    });
    expect(run.stderr.split('\n').filter((line) => line.includes('alignment'))).toEqual(['warn alignment: 3 layers are on cpu.', 'alignment: input_ids are moved.']);
  });

  it('takes several texts as it takes several lists of ids', async () => {
    const run = await runFakeCli(['generate', '--model', 'm', '--prompt', 'a', '--prompt', 'bc', '--json']);
    expect((JSON.parse(run.stdout) as { rows: unknown[] }).rows).toMatchObject([{ promptTokens: 1 }, { promptTokens: 2 }]);
    expect(paramsOf(run, 'model-load')).toMatchObject({ maxBatch: 2 });
  });

  it('keeps the rows that were done when the engine is lost, and fails when none was', async () => {
    const batch = file('two.jsonl', '{"ids":[1,2]}\n{"prompt":"abc"}\n');
    let tokens = 0;
    // By turns of the event loop and not by time: on a busy machine a reply and a kill some ms later come in one turn.
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    const killLater = async (child: { die(exit: { signal: string }): void }): Promise<void> => {
      for (let turns = 0; turns < 20; turns += 1) {
        await turn();
      }
      child.die({ signal: 'SIGKILL' });
    };
    const some = await runFakeCli(['generate', '--model', 'm', '--batch', batch, '--json'], {
      behaviour: {
        // The tenth token is the last of the second row, which never gets beyond it; the first row has ended some turns later.
        onToken: (child) => void (++tokens === 10 && void killLater(child)),
        pause: () => (tokens === 10 ? new Promise(() => undefined) : turn()),
      },
    });
    expect(some.code).toBe(1);
    expect((JSON.parse(some.stdout) as { rows: unknown[] }).rows).toMatchObject([{ stopReason: 'eos' }, { error: { code: 'engine-lost' } }]);
    const none = await runFakeCli(['generate', '--model', 'm', '--batch', batch, '--json'], { behaviour: { onToken: (child) => child.die({ signal: 'SIGKILL' }) } });
    expect(none.code).toBe(1);
    expect(JSON.parse(none.stdout)).toMatchObject({ error: { code: 'engine-lost' } });
    expect(none.stdout).not.toContain('glm.reloadModel');
    expect(none.stderr).not.toContain('Restart and reload');
  });

  it('understands the sampling options under their transformers names', async () => {
    const run = await runFakeCli([...'generate --model m --prompt x --json --max-new-tokens 3 --min-new-tokens 1 --temperature 0.7 --top-k 20 --top-p 0.8 --min-p 0.05 --repetition-penalty 1.1 --seed 7 --ignore-eos --stop A --stop B'.split(' ')]);
    expect(paramsOf(run, 'generate')).toMatchObject({
      options: { doSample: true, maxNewTokens: 3, minNewTokens: 1, temperature: 0.7, topK: 20, topP: 0.8, minP: 0.05, repetitionPenalty: 1.1, seed: 7, ignoreEos: true, stopStrings: ['A', 'B'] },
    });
    expect(JSON.parse(run.stdout)).toMatchObject({ stopReason: 'length' });
  });

  it('is greedy when nothing asks for sampling, when told so, and at temperature 0', async () => {
    for (const args of ['', '--seed 3', '--top-k 5 --no-do-sample', '--temperature 0 --top-p 0.5']) {
      const run = await runFakeCli(['generate', '--model', 'm', '--prompt', 'x', '--json', ...args.split(' ').filter((word) => word !== '')]);
      expect(paramsOf(run, 'generate')).toMatchObject({ options: { doSample: false } });
    }
  });

  it('draws with what generation_config.json recommends when told to sample, and with nothing of it otherwise', async () => {
    const handlers = { 'model-load': () => ({ ...fakeLoadedModel, description: { ...fakeDescription, samplingDefaults: { temperature: 0.6, topP: 0.95 } } }) };
    const optionsOf = async (flags: string): Promise<unknown> => (paramsOf(await runFakeCli(`generate --model m --prompt x --json ${flags}`.trim().split(' '), { handlers }), 'generate') as { options: unknown }).options;
    expect(await optionsOf('--do-sample')).toMatchObject({ doSample: true, temperature: 0.6, topP: 0.95, topK: 0 });
    expect(await optionsOf('--do-sample --temperature 0.9')).toMatchObject({ doSample: true, temperature: 0.9, topP: 0.95 });
    expect(await optionsOf('--temperature 0.9')).toMatchObject({ doSample: true, temperature: 0.9, topP: 1 });
    expect(await optionsOf('')).toMatchObject({ doSample: false, topP: 1 });
  });

  it('takes the likeliest token where generation_config.json sets temperature 0, and says so', async () => {
    const handlers = { 'model-load': () => ({ ...fakeLoadedModel, description: { ...fakeDescription, samplingDefaults: { temperature: 0, topP: 0.95 } } }) };
    const run = await runFakeCli('generate --model m --prompt x --json --do-sample'.split(' '), { handlers });
    expect(paramsOf(run, 'generate')).toMatchObject({ options: { doSample: false } });
    expect(run.stderr).toContain('generation_config.json sets temperature 0');
    const warmer = await runFakeCli('generate --model m --prompt x --json --do-sample --temperature 0.5'.split(' '), { handlers });
    expect(paramsOf(warmer, 'generate')).toMatchObject({ options: { doSample: true, temperature: 0.5, topP: 0.95 } });
    expect(warmer.stderr).not.toContain('temperature 0,');
    expect((await runFakeCli('generate --model m --prompt x --json'.split(' '), { handlers })).stderr).not.toContain('temperature');
  });

  it.each(['generate --prompt x', 'chat'])('refuses to draw at temperature 0, as transformers does: %s', async (command) => {
    const run = await runFakeCli(`${command} --model m --do-sample --temperature 0`.split(' '));
    expect(run.code).toBe(2);
    expect(run.stderr).toContain('--temperature 0');
    expect(run.requests.map(({ method }) => method)).not.toContain('model-load');
  });

  it('loads with the CUDA libraries that were found, unless another provider or runtime is asked for', async () => {
    const loadOf = async (command: string): Promise<unknown> => paramsOf(await runFakeCli(command.split(' '), { cudaRuntime: '/found/runtime' }), 'model-load');
    expect(await loadOf('generate --model m --prompt x --json')).toMatchObject({ ortLibrary: '/found/runtime' });
    expect(await loadOf('logits --model m --ids 1 --json --provider cuda')).toMatchObject({ ortLibrary: '/found/runtime' });
    expect(await loadOf('logits --model m --ids 1 --json --provider cpu')).not.toMatchObject({ ortLibrary: '/found/runtime' });
    expect(await loadOf('generate --model m --prompt x --json --ort-library /mine')).toMatchObject({ ortLibrary: '/mine' });
  });

  it('passes the options of loading on', async () => {
    const run = await runFakeCli([
      ...'generate --model m --prompt x --json --provider cpu --weights int4 --stages 2 --context 512 --threads 3 --max-batch 4 --accuracy-level 0 --include cpu,0 --exclude webgpu --software-gpu'.split(' '),
      '--max-memory',
      '{"0": "20GiB", "cpu": 1000}',
      '--device-map',
      '{"model.layers.0-1": "cuda:0"}',
    ]);
    expect(paramsOf(run, 'model-load')).toMatchObject({
      source: 'm',
      provider: 'cpu',
      weights: 'int4',
      numStages: 2,
      contextTokens: 512,
      cpuThreads: 3,
      maxBatch: 4,
      accuracyLevel: 0,
      includeDevices: ['cpu', 'cuda:0'],
      excludeDevices: ['webgpu:0'],
      allowSoftwareGpu: true,
      maxMemoryBytes: { '0': 20 * 1024 ** 3, cpu: 1000 },
      deviceMap: { kind: 'map', map: { 'model.layers.0-1': 'cuda:0' } },
      cacheFolder: '/cache',
    });
  });

  it('refuses two limits for one device, of which one would be forgotten', async () => {
    const run = await runFakeCli('plan --model m --max-memory cuda:0=10GiB,cpu=1GiB,cuda:0=12GiB'.split(' '));
    expect(run).toMatchObject({ code: 2, stderr: expect.stringContaining('"cuda:0" has two limits') as string });
  });

  it('prints what there is and exits with 130 on Ctrl-C', async () => {
    let press: () => void = () => undefined;
    const run = await runFakeCli(['generate', '--model', 'm', '--prompt', 'Hi', '--json'], {
      onStart: (pressCtrlC) => (press = pressCtrlC),
      behaviour: {
        onToken: (_child, index) => {
          if (index === 2) {
            press();
            press();
          }
        },
        pause: () => new Promise((resolve) => setTimeout(resolve, 5)),
      },
    });
    expect(run.code).toBe(130);
    expect(JSON.parse(run.stdout)).toMatchObject({ stopReason: 'cancelled', text: 'Hello' });
    expect(run.engineEnded).toBe(true);
  });

  it('exits with 130 when interrupted while loading, with the error as data', async () => {
    let press: () => void = () => undefined;
    const run = await runFakeCli(['generate', '--model', 'm', '--prompt', 'Hi', '--json'], { onStart: (pressCtrlC) => (press = pressCtrlC), behaviour: { onLoad: () => press() } });
    expect(run.code).toBe(130);
    expect(JSON.parse(run.stdout)).toMatchObject({ error: { code: 'cancelled' } });
  });
});

describe('failures', () => {
  const loadError = new GlmError('checkpoint-not-found', 'There is no folder m.', { next: [{ label: 'Download it' }] });

  it('exit with 1, the message on stderr, with --json also as data on stdout', async () => {
    const plain = await runFakeCli(['generate', '--model', 'm', '--prompt', 'Hi'], { behaviour: { loadError } });
    expect(plain).toMatchObject({ code: 1, stdout: '', stderr: 'There is no folder m.\n  → Download it\n' });
    const json = await runFakeCli(['generate', '--model', 'm', '--prompt', 'Hi', '--json'], { behaviour: { loadError } });
    expect(json.code).toBe(1);
    expect(JSON.parse(json.stdout)).toEqual({ error: { code: 'checkpoint-not-found', message: 'There is no folder m.', next: [{ label: 'Download it' }] } });
    expect(json.stderr).toContain('There is no folder m.');
  });

  it('name a lost engine', async () => {
    const run = await runFakeCli(['generate', '--model', 'm', '--prompt', 'Hi', '--json'], { behaviour: { onToken: (child, index) => index === 1 && child.die({ signal: 'SIGKILL' }) } });
    expect(run.code).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ error: { code: 'engine-lost' } });
  });

  it.each([
    ['no command of that name', ['frobnicate']],
    ['an unknown option', ['generate', '--model', 'm', '--prompt', 'x', '--frob']],
    ['no model', ['logits', '--ids', '1']],
    ['ids that are no numbers', ['logits', '--model', 'm', '--ids', '1,x']],
    ['an empty stop text', ['generate', '--model', 'm', '--prompt', 'x', '--stop', '']],
    ['more tokens at least than at most', ['generate', '--model', 'm', '--prompt', 'x', '--min-new-tokens', '9', '--max-new-tokens', '8']],
    ['a limit for what is no device', ['plan', '--model', 'm', '--max-memory', 'gpu=5GB']],
    ['a context without room for an answer', ['plan', '--model', 'm', '--context', '1']],
    ['an impossible number', ['generate', '--model', 'm', '--prompt', 'x', '--top-p', '2']],
    ['an unknown weight format', ['logits', '--model', 'm', '--ids', '1', '--weights', 'int3']],
    ['two prompts of different kinds', ['generate', '--model', 'm', '--prompt', 'x', '--ids', '1']],
    ['no prompt at all', ['generate', '--model', 'm']],
    ['a device map that names a module twice', ['plan', '--model', 'm', '--device-map', '{"": 0, "": 1}']],
    ['a device map that is neither', ['plan', '--model', 'm', '--device-map', 'sideways']],
    ['text from nowhere', ['tokenize', '--model', 'm']],
  ])('exit with 2 for %s, without starting an engine', async (_name, args) => {
    const run = await runFakeCli(args);
    expect(run.code).toBe(2);
    expect(run.stdout).toBe('');
    expect(run.stderr).not.toBe('');
    expect(run.requests).toEqual([]);
  });

  it.each([
    ['a file that is not there', () => ['template', '--model', 'm', '--messages', join(folder, 'nowhere.json')]],
    ['a folder', () => ['template', '--model', 'm', '--messages', folder]],
    ['a file that is not JSON', () => ['template', '--model', 'm', '--messages', file('bad.json', '{')]],
    ['messages without a role', () => ['template', '--model', 'm', '--messages', file('norole.json', [{ content: 'x' }])]],
    ['a batch line of no known form', () => ['generate', '--model', 'm', '--batch', file('bad.jsonl', '{"text":"x"}')]],
  ])('exit with 1 for %s', async (_name, args) => {
    const run = await runFakeCli([...args(), '--json']);
    expect(run.code).toBe(1);
    expect(JSON.parse(run.stdout)).toMatchObject({ error: { code: 'input-file' } });
    expect(run.stderr).not.toMatch(/E[A-Z]{4,}:/);
  });

  it('hand roles, absent contents and spelled numbers on to the template', async () => {
    const messages = file('calls.json', '[{"role": "developer", "content": null, "tool_calls": [{"x": 1.0}]}]');
    const { requests } = await runFakeCli(['template', '--model', 'm', '--messages', messages, '--json']);
    const [message] = (requests[0]?.params as { chat: { messages: readonly { role: string; content: unknown; tool_calls: readonly { x: object }[] }[] } }).chat.messages;
    expect(message).toMatchObject({ role: 'developer', content: null });
    expect(Object.values(message?.tool_calls[0]?.x ?? {})).toEqual(['1.0']);
  });

  it('do not include help and version', async () => {
    expect((await runFakeCli(['--version'])).stdout).toBe('1.2.3\n');
    const help = await runFakeCli(['generate', '--help']);
    expect(help.code).toBe(0);
    expect(help.stdout).toContain('--max-new-tokens');
  });
});

describe('the other commands', () => {
  it('tokenize in each mode', async () => {
    const text = file('text.txt', 'ab');
    for (const [flag, mode] of [[[], 'special'], [['--no-special'], 'no-special'], [['--plain-text'], 'plain']] as const) {
      const run = await runFakeCli(['tokenize', '--model', 'm', '--text-file', text, ...flag, '--json']);
      expect(JSON.parse(run.stdout)).toEqual({ ids: [97, 98] });
      expect(paramsOf(run, 'tokenize')).toEqual({ source: 'm', text: 'ab', mode });
    }
  });

  it('tokenize what a pipe brings', async () => {
    const run = await runFakeCli(['tokenize', '--model', 'm', '--text-file', '-', '--json'], { stdin: 'héllo' });
    expect(paramsOf(run, 'tokenize')).toMatchObject({ text: 'héllo' });
  });

  it('render a template with tools and variables', async () => {
    const tools = [{ type: 'function', function: { name: 'f' } }];
    const run = await runFakeCli([
      'template', '--model', 'm', '--json', '--no-generation-prompt', '--template-kwargs', '{"enable_thinking": false}',
      '--messages', file('messages.json', [{ role: 'user', content: 'Hi' }]),
      '--tools', file('tools.json', tools),
    ]);
    expect(JSON.parse(run.stdout)).toMatchObject({ text: '<|user|>Hi' });
    expect(paramsOf(run, 'render-chat')).toEqual({
      source: 'm',
      chat: { messages: [{ role: 'user', content: 'Hi' }], tools, templateKwargs: { enable_thinking: false }, addGenerationPrompt: false },
    });
  });

  it('print logits', async () => {
    const run = await runFakeCli(['logits', '--model', 'm', '--ids', '1,2,3', '--json']);
    expect(JSON.parse(run.stdout)).toEqual({ logits: [0.5, 1, 1.5] });
  });

  it('list devices, with n/a for what cannot be read', async () => {
    const devices = [{ id: 'cpu', kind: 'cpu', name: 'Some CPU', totalBytes: 2 ** 33, source: 'proc', notes: ['No GPU was found.'] }];
    const monitor = { 'devices-probe': () => devices as never };
    expect(JSON.parse((await runFakeCli(['devices', '--json'], { monitor })).stdout)).toEqual({ devices });
    const text = (await runFakeCli(['devices'], { monitor })).stdout;
    expect(text).toMatch(/^cpu +Some CPU +n\/a +8\.0 GiB +n\/a +proc$/m);
    expect(text).toContain('cpu: No GPU was found.');
  });

  it('plan for devices of a file', async () => {
    const stage = { stageIndex: 0, device: 'cuda:0', provider: 'cuda', firstLayer: 0, endLayer: 2, hasEmbedding: true, hasHead: true, weightBytes: 1024 ** 3, kvBytes: 512 * 1024 ** 2, activationBytes: 1024 };
    const plan = { ...fakeLoadedModel.plan, stages: [stage], warnings: [{ code: 'w', message: 'Careful.' }] };
    const handlers = { 'model-plan': () => ({ description: fakeDescription, plan }) as never };
    const run = await runFakeCli(['plan', '--model', 'm', '--devices', file('devices.json', [{ id: 'cuda:0', freeBytes: '24GiB' }])], { handlers });
    expect(paramsOf(run, 'model-plan')).toMatchObject({ devices: [{ id: 'cuda:0', name: 'cuda:0', provider: 'cuda', freeBytes: 24 * 1024 ** 3 }] });
    expect(run.stdout).toMatch(/^0 +cuda:0 +0-1 +1\.0 GiB +512 MiB +1\.0 KiB$/m);
    expect(run.stdout).toContain('warning: Careful.');
    const json = await runFakeCli(['plan', '--model', 'm', '--json'], { handlers });
    expect(JSON.parse(json.stdout)).toMatchObject({ stages: [stage], largestContextTokens: 4096, model: { name: 'fake-glm4' } });
    const twice = await runFakeCli(['plan', '--model', 'm', '--devices', file('twice.json', [{ id: 'cuda:0', freeBytes: 1 }, { id: 'cuda:0', freeBytes: 2 }])], { handlers });
    expect(twice).toMatchObject({ code: 1, stderr: expect.stringContaining('device 1 is cuda:0 once more') as string });
  });
});

describe('glm serve', () => {
  it('serves until Ctrl-C, and takes an empty key for none', async () => {
    const served = await runFakeCli(['serve', '--model', 'm', '--port', '0', '--json'], { onStart: (pressCtrlC) => setTimeout(pressCtrlC, 100) });
    expect(served).toMatchObject({ code: 130, engineEnded: true });
    expect(JSON.parse(served.stdout)).toMatchObject({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/) as string, model: 'fake-glm4' });
    expect(await runFakeCli(['serve', '--model', 'm', '--host', '0.0.0.0', '--api-key', ''])).toMatchObject({ code: 2, requests: [], stderr: expect.stringContaining('set a key') as string });
  });

  it('says why it cannot listen, and what to change', async () => {
    const listener = createServer();
    const port = await new Promise<number>((resolve) => listener.listen(0, '127.0.0.1', () => resolve((listener.address() as AddressInfo).port)));
    const taken = await runFakeCli(['serve', '--model', 'm', '--port', String(port)]);
    expect(taken).toMatchObject({ code: 1, engineEnded: true, stderr: expect.stringContaining(`127.0.0.1:${port} cannot be used: another program listens there. Choose another --port`) as string });
    listener.close();
    // An address for documentation, which no machine has.
    const nowhere = await runFakeCli(['serve', '--model', 'm', '--port', '0', '--host', '203.0.113.7', '--api-key', 'k']);
    expect(nowhere).toMatchObject({ code: 1, stderr: expect.stringContaining('this machine has no such address. Choose another --host') as string });
  });
});

describe('glm chat', () => {
  it('leaves at once on Ctrl-D at a terminal, and answers all questions of a pipe', async () => {
    const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));
    const questions = { stdin: 'one\ntwo\nthree\n', behaviour: { pause } };
    const terminal = await runFakeCli(['chat', '--model', 'm'], { ...questions, isTerminal: true });
    expect(terminal.code).toBe(0);
    expect(terminal.requests.filter(({ method }) => method === 'generate').length).toBeLessThanOrEqual(1);
    expect(terminal.stdout).not.toContain('Hello, world');
    const pipe = await runFakeCli(['chat', '--model', 'm'], questions);
    expect(pipe.stdout).toBe('Hello, world\n'.repeat(3));
  });

  it('talks with the demo model where none is named, if there is one', async () => {
    const run = await runFakeCli(['chat'], { stdin: 'one\n', demoModelFolder: '/demo' });
    expect(paramsOf(run, 'model-load')).toMatchObject({ source: '/demo' });
    expect(run.code).toBe(0);
    expect((await runFakeCli(['chat'], { stdin: 'one\n' })).code).toBe(2);
    expect((await runFakeCli(['generate', '--prompt', 'x'], { demoModelFolder: '/demo' })).code).toBe(2);
  });

  const answer = 'Hello, world\n';

  it('answers the lines of a pipe in turn, with the conversation so far', async () => {
    const run = await runFakeCli(['chat', '--model', 'm', '--system', 'Be brief.'], { stdin: 'one\ntwo\n' });
    expect(run.code).toBe(0);
    expect(run.stdout).toBe(answer + answer);
    const asked = run.requests.filter(({ method }) => method === 'generate').map(({ params }) => params as { prompt: { chat: { messages: unknown[] } }; conversationKey: string });
    expect(asked[1]?.prompt.chat.messages).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'Hello, world' },
      { role: 'user', content: 'two' },
    ]);
    expect(asked[0]?.conversationKey).toBe(asked[1]?.conversationKey);
  });

  it('hands an answer back without the line break that the template writes itself', async () => {
    const run = await runFakeCli(['chat', '--model', 'm'], { stdin: 'one\ntwo\n', behaviour: { tokens: ['\n', 'Yes.\n'] } });
    const asked = run.requests.filter(({ method }) => method === 'generate').map(({ params }) => params as { prompt: { chat: { messages: unknown[] } } });
    expect(asked[1]?.prompt.chat.messages[1]).toEqual({ role: 'assistant', content: 'Yes.\n' });
    expect(run.stdout).toBe('Yes.\n\nYes.\n\n');
  });

  it('starts over with /new, forgetting the cached conversation', async () => {
    const run = await runFakeCli(['chat', '--model', 'm'], { stdin: 'one\n/new\ntwo\n/exit\nnever asked\n' });
    const asked = run.requests.filter(({ method }) => method === 'generate').map(({ params }) => params as { prompt: { chat: { messages: unknown[] } } });
    expect(asked.map(({ prompt }) => prompt.chat.messages.length)).toEqual([1, 1]);
    expect(run.requests.some(({ method }) => method === 'conversation-forget')).toBe(true);
  });

  it('ends an answer on Ctrl-C, keeps its text, and leaves on the next one', async () => {
    let press: () => void = () => undefined;
    let tokens = 0;
    const run = await runFakeCli(['chat', '--model', 'm'], {
      stdin: 'one\n',
      onStart: (pressCtrlC) => (press = pressCtrlC),
      behaviour: { onToken: () => ++tokens === 3 && press(), pause: () => new Promise((resolve) => setTimeout(resolve, 5)) },
    });
    expect(run.stdout).toBe('Hello\n');
    expect(run.stderr).toContain('cancelled');
    expect(run.engineEnded).toBe(true);
  });

  it('continues plain text with a base checkpoint', async () => {
    const handlers = { 'model-load': () => ({ ...fakeLoadedModel, description: { ...fakeDescription, hasChatTemplate: false } }) };
    const run = await runFakeCli(['chat', '--model', 'm'], { handlers, stdin: 'Once upon\n' });
    expect(run.stderr).toContain('no chat template');
    expect(paramsOf(run, 'generate')).toMatchObject({ prompt: { kind: 'text', text: 'Once upon' } });
  });

  it('says which orders exist, and ends with the engine', async () => {
    const run = await runFakeCli(['chat', '--model', 'm'], { stdin: '/what\none\n', behaviour: { onToken: (child) => child.die({ exitCode: 3 }) } });
    expect(run.stderr).toContain('There is no /what.');
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('ended with exit code 3');
  });
});
