import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { GlmError } from '../../../src/common/errors';
import type { EngineContract, GenerateParams, LoadedModel } from '../../../src/common/protocol/engine';
import { EngineSupervisor, startEngine } from '../../../src/engine/client';
import { startApiServer, type ApiServer, type ApiServerOptions } from '../../../src/server/apiServer';
import { FakeChild } from '../../fakes/fakeChild';
import { FakeClock } from '../../fakes/fakeClock';
import { fakeDescription, fakeEngineHandlers, fakeLoadedModel, fakeLoadOptions, type FakeEngineBehaviour } from '../../fakes/fakeEngine';

const servers: ApiServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(behaviour: FakeEngineBehaviour = {}, options: Partial<ApiServerOptions> = {}, model: LoadedModel = fakeLoadedModel) {
  const asked: GenerateParams[] = [];
  const supervisor = new EngineSupervisor({
    clock: new FakeClock(),
    start: () => {
      const child = new FakeChild<EngineContract>((fake) => {
        const handlers = fakeEngineHandlers(behaviour)(fake);
        return {
          ...handlers,
          'model-load': () => model,
          generate: (params, signal) => {
            asked.push(params);
            return handlers.generate(params, signal);
          },
        };
      });
      return startEngine({ workerPath: 'unused', fork: () => child, clock: new FakeClock() });
    },
  });
  await supervisor.load(fakeLoadOptions);
  const server = await startApiServer({ engine: supervisor, port: 0, log: { log: () => undefined }, ...options });
  servers.push(server);
  const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body: typeof body === 'string' ? body : JSON.stringify(body) });
  return { server, asked, post, supervisor };
}

const hello = { model: 'fake-glm4', messages: [{ role: 'user', content: 'Hi' }] };

async function events(response: Response): Promise<readonly unknown[]> {
  const lines = (await response.text()).split('\n\n').filter((line) => line !== '');
  expect(lines.at(-1)).toBe('data: [DONE]');
  return lines.slice(0, -1).map((line) => JSON.parse(line.replace(/^data: /, '')) as unknown);
}

describe('POST /v1/chat/completions', () => {
  it('answers whole, with usage and finish reason', async () => {
    const { post, asked } = await serve();
    const response = await post('/v1/chat/completions', hello);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({
      object: 'chat.completion',
      model: 'fake-glm4',
      choices: [{ index: 0, message: { role: 'assistant', content: 'Hello, world' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 2, completion_tokens: 5, total_tokens: 7 },
    });
    expect(asked[0]).toMatchObject({ prompt: { kind: 'chat', chat: { messages: [{ role: 'user', content: 'Hi' }] } }, options: { doSample: true, temperature: 1, maxNewTokens: 4096 } });
  });

  it('streams chunks that add up, the role first, the finish reason and the usage last', async () => {
    const { post } = await serve();
    const response = await post('/v1/chat/completions', { ...hello, stream: true, stream_options: { include_usage: true } });
    expect(response.headers.get('content-type')).toContain('text/event-stream');
    const chunks = (await events(response)) as { choices: { delta: { role?: string; content?: string }; finish_reason: string | null }[]; usage?: object }[];
    const choices = chunks.flatMap((chunk) => chunk.choices);
    expect(choices[0]?.delta.role).toBe('assistant');
    expect(choices.map((choice) => choice.delta.content ?? '').join('')).toBe('Hello, world');
    expect(choices.map((choice) => choice.finish_reason).filter((reason) => reason !== null)).toEqual(['stop']);
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 7 } });
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    expect(((await events(await post('/v1/chat/completions', { ...hello, stream: true }))) as object[]).some((chunk) => 'usage' in chunk)).toBe(false);
  });

  it('leaves out the line break that GLM opens its turn with, in chats only', async () => {
    const { post } = await serve({ tokens: ['\n', '\nYes.'] });
    const whole = (await (await post('/v1/chat/completions', hello)).json()) as { choices: unknown[] };
    expect(whole.choices[0]).toMatchObject({ message: { content: '\nYes.' } });
    const chunks = (await events(await post('/v1/chat/completions', { ...hello, stream: true }))) as { choices: { delta: { content?: string } }[] }[];
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('\nYes.');
    expect(await (await post('/v1/completions', { prompt: 'x' })).json()).toMatchObject({ choices: [{ text: '\n\nYes.' }] });
  });

  it('hands numbers of tools on as Python would write them, and takes those of its own fields as numbers', async () => {
    const body = '{"messages": [{"role": "user", "content": "hi"}], "temperature": 1.0, "max_tokens": 3, "tools": [{"type": "function", "function": {"name": "f", "parameters": {"minimum": 1.0}}}]}';
    const { post, asked } = await serve();
    expect((await post('/v1/chat/completions', body)).status).toBe(200);
    const chat = asked[0]?.prompt as unknown as { chat: { tools: readonly { function: { parameters: { minimum: object } } }[] } };
    expect(Object.values(chat.chat.tools[0]?.function.parameters.minimum ?? {})).toEqual(['1.0']);
    expect(asked[0]?.options).toMatchObject({ temperature: 1, maxNewTokens: 3 });
  });

  it('passes sampling, stop, seed, tools and limits on', async () => {
    const { post, asked } = await serve();
    const tools = [{ type: 'function', function: { name: 'f' } }];
    await post('/v1/chat/completions', { ...hello, temperature: 0.5, top_p: 0.9, top_k: 5, min_p: 0.1, repetition_penalty: 1.2, seed: 9, stop: ['X', 'Y'], max_tokens: 3, tools, chat_template_kwargs: { enable_thinking: false } });
    expect(asked[0]).toMatchObject({
      options: { doSample: true, temperature: 0.5, topP: 0.9, topK: 5, minP: 0.1, repetitionPenalty: 1.2, seed: 9, stopStrings: ['X', 'Y'], maxNewTokens: 3 },
      prompt: { chat: { tools, templateKwargs: { enable_thinking: false } } },
    });
    const { choices } = (await (await post('/v1/chat/completions', { ...hello, max_completion_tokens: 2, temperature: 0 })).json()) as { choices: unknown[] };
    expect(choices[0]).toMatchObject({ finish_reason: 'length', message: { content: 'Hello' } });
    expect(asked[1]?.options.doSample).toBe(false);
  });

  it('takes what generation_config.json recommends where the request says nothing', async () => {
    const sampling = { temperature: 0.6, topP: 0.8, topK: 50, repetitionPenalty: 1.1 };
    const { post, asked } = await serve({}, {}, { ...fakeLoadedModel, description: { ...fakeDescription, samplingDefaults: sampling } });
    await post('/v1/chat/completions', hello);
    await post('/v1/completions', { prompt: 'x' });
    await post('/v1/chat/completions', { ...hello, temperature: 1, top_p: 1, top_k: 0, repetition_penalty: 1 });
    await post('/v1/chat/completions', { ...hello, temperature: 0 });
    expect(asked.map(({ options }) => options)).toMatchObject([
      { doSample: true, ...sampling, minP: 0 },
      { doSample: true, ...sampling },
      { doSample: true, temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1 },
      { doSample: false },
    ]);
    const greedy = await serve({}, {}, { ...fakeLoadedModel, description: { ...fakeDescription, samplingDefaults: { temperature: 0 } } });
    await greedy.post('/v1/chat/completions', hello);
    expect(greedy.asked[0]?.options.doSample).toBe(false);
  });

  it('keeps tools from the model where the request says so', async () => {
    const { post, asked } = await serve();
    const tools = [{ type: 'function', function: { name: 'f' } }];
    await post('/v1/chat/completions', { ...hello, tools, tool_choice: 'none' });
    await post('/v1/chat/completions', { ...hello, tools, tool_choice: 'auto' });
    expect(asked.map(({ prompt }) => (prompt.kind === 'chat' ? prompt.chat.tools : undefined))).toEqual([undefined, tools]);
  });

  it('gives several choices, each with a seed of its own', async () => {
    const { post, asked } = await serve();
    const { choices, usage } = (await (await post('/v1/chat/completions', { ...hello, n: 3, seed: 5 })).json()) as { choices: { index: number }[]; usage: object };
    expect(choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    expect(asked.map((params) => params.options.seed)).toEqual([5, 6, 7]);
    expect(usage).toMatchObject({ prompt_tokens: 2, completion_tokens: 15 });
  });

  it('joins text parts and refuses pictures', async () => {
    const { post, asked } = await serve();
    await post('/v1/chat/completions', { messages: [{ role: 'developer', content: [{ type: 'text', text: 'a' }, { type: 'text', text: 'b' }] }] });
    expect(asked[0]?.prompt).toMatchObject({ chat: { messages: [{ role: 'system', content: 'a\nb' }] } });
    const refused = await post('/v1/chat/completions', { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] });
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ error: { type: 'invalid_request_error', param: 'messages[0].content' } });
  });

  it('parts what a thinking model thought from what it says', async () => {
    const model = { ...fakeLoadedModel, description: { ...fakeDescription, thinks: true } };
    const { post } = await serve({ tokens: ['Let me', ' see</th', 'ink>\n', 'Four.'] }, {}, model);
    const whole = (await (await post('/v1/chat/completions', hello)).json()) as { choices: unknown[] };
    expect(whole.choices[0]).toMatchObject({ message: { content: 'Four.', reasoning_content: 'Let me see' } });
    const chunks = (await events(await post('/v1/chat/completions', { ...hello, stream: true }))) as { choices: { delta: { content?: string; reasoning_content?: string } }[] }[];
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')).toBe('Four.');
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.reasoning_content ?? '').join('')).toBe('Let me see');
  });

  it('cancels the generation when the client goes away', async () => {
    let generated = 0;
    const { server, post } = await serve({ tokens: Array.from({ length: 1000 }, () => 'x'), onToken: () => (generated += 1), pause: () => new Promise((resolve) => setTimeout(resolve, 2)) });
    const controller = new AbortController();
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(`${server.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify({ ...hello, stream: true }), signal: controller.signal });
    await response.body?.getReader().read();
    controller.abort();
    await vi.waitFor(
      async () => {
        const before = generated;
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(generated).toBe(before);
      },
      { timeout: 5000 },
    );
    expect(generated).toBeLessThan(1000);
    expect((await post('/v1/chat/completions', { ...hello, max_tokens: 2 })).status).toBe(200);
  });
});

describe('POST /v1/completions', () => {
  it('continues texts and ids, several at once', async () => {
    const { post, asked } = await serve();
    const response = (await (await post('/v1/completions', { prompt: ['abc', 'de'], max_tokens: 2 })).json()) as { choices: { text: string }[]; usage: object };
    expect(response).toMatchObject({ object: 'text_completion', usage: { prompt_tokens: 5, completion_tokens: 4 } });
    expect(response.choices.map((choice) => choice.text)).toEqual(['Hello', 'Hello']);
    await post('/v1/completions', { prompt: [1, 2, 3] });
    expect(asked.at(-1)).toMatchObject({ prompt: { kind: 'ids', ids: [1, 2, 3] }, options: { maxNewTokens: 16 } });
  });

  it('streams text', async () => {
    const { post } = await serve();
    const chunks = (await events(await post('/v1/completions', { prompt: 'x', stream: true }))) as { choices: { text: string }[] }[];
    expect(chunks.map((chunk) => chunk.choices[0]?.text).join('')).toBe('Hello, world');
  });
});

describe('the server', () => {
  it('lists the model and says that it lives', async () => {
    const { server } = await serve();
    expect(await (await fetch(`${server.url}/v1/models`)).json()).toMatchObject({ object: 'list', data: [{ id: 'fake-glm4', object: 'model' }] });
    expect(await (await fetch(`${server.url}/health`)).json()).toEqual({ status: 'ok' });
  });

  it.each([
    ['a body that is no JSON', '{', {}, 400, 'not_json'],
    ['a body that is no object', '[]', {}, 400, 'not_json'],
    ['a body of another type', '{}', { 'content-type': 'text/plain' }, 415, 'not_json'],
    ['a body that is nested beyond reading', `{"chat_template_kwargs": ${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}}`, {}, 400, 'not_json'],
    ['no messages', {}, {}, 400, 'invalid_value'],
    ['an unknown role', { messages: [{ role: 'boss', content: 'x' }] }, {}, 400, 'invalid_value'],
    ['an impossible temperature', { ...hello, temperature: -1 }, {}, 400, 'invalid_value'],
    ['a count that is no whole number', { ...hello, max_tokens: 1.5 }, {}, 400, 'invalid_value'],
    ['what it does not support', { ...hello, logprobs: true }, {}, 400, 'unsupported_parameter'],
    ['a format it cannot force', { ...hello, response_format: { type: 'json_object' } }, {}, 400, 'unsupported_parameter'],
    ['a format that is no object', { ...hello, response_format: 'json' }, {}, 400, 'invalid_value'],
    ['a field that nobody reads', { ...hello, guided_json: {} }, {}, 400, 'unknown_parameter'],
    ['a tool that must be called', { ...hello, tool_choice: 'required' }, {}, 400, 'unsupported_parameter'],
    ['a tool that must be called, by its name', { ...hello, tool_choice: { type: 'function', function: { name: 'f' } } }, {}, 400, 'unsupported_parameter'],
    ['a search of the web', { ...hello, web_search_options: {} }, {}, 400, 'unsupported_parameter'],
    ['another choice of tools', { ...hello, tool_choice: 'sometimes' }, {}, 400, 'invalid_value'],
    ['answers that are no text', { ...hello, modalities: ['text', 'audio'] }, {}, 400, 'unsupported_parameter'],
    ['stream options without a stream', { ...hello, stream_options: { include_usage: true } }, {}, 400, 'invalid_value'],
    ['stream options that it does not have', { ...hello, stream: true, stream_options: { continuous_usage_stats: true } }, {}, 400, 'unsupported_parameter'],
    ['more tokens at least than at most', { ...hello, min_tokens: 5, max_tokens: 4 }, {}, 400, 'invalid_value'],
    ['another model', { ...hello, model: 'gpt-4o' }, {}, 404, 'model_not_found'],
    ['a model that is no text', { ...hello, model: 5 }, {}, 400, 'invalid_value'],
  ])('refuses %s', async (_name, body, headers, status, code) => {
    const { post } = await serve();
    const response = await post('/v1/chat/completions', body, headers);
    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code, type: 'invalid_request_error' } });
  });

  it.each([['best_of', 2], ['echo', true], ['suffix', 'z'], ['logprobs', 0], ['logprobs', 5], ['messages', []]])('refuses %s of a text completion', async (name, value) => {
    const { post } = await serve();
    const response = await post('/v1/completions', { prompt: 'x', [name]: value });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param: name } });
  });

  it('takes fields that ask for nothing, and those that no answer depends on', async () => {
    const { post, asked } = await serve();
    const neutral = { logprobs: false, top_logprobs: 0, logit_bias: {}, functions: null, modalities: ['text'], response_format: { type: 'text' }, frequency_penalty: 0, tool_choice: 'auto' };
    const ignored = { user: 'u', metadata: { a: 'b' }, store: true, service_tier: 'auto', cache_salt: 's' };
    expect((await post('/v1/chat/completions', { ...hello, ...neutral, ...ignored, frobnicate: null })).status).toBe(200);
    expect((await post('/v1/completions', { prompt: 'x', best_of: 1, echo: false, suffix: null, cache_prompt: false })).status).toBe(200);
    expect(asked).toHaveLength(2);
  });

  it('knows its model by its name, by its folder and by the name on the hub', async () => {
    const { server, post } = await serve();
    for (const model of ['fake-glm4', 'Org/Fake-GLM4', fakeDescription.folder, undefined]) {
      expect((await post('/v1/chat/completions', { ...hello, model })).status).toBe(200);
    }
    expect(await (await fetch(`${server.url}/v1/models/org%2Ffake-glm4`)).json()).toMatchObject({ id: 'fake-glm4', object: 'model', owned_by: 'local' });
    for (const other of ['gpt-4o', '%E0%A4']) {
      const refused = await fetch(`${server.url}/v1/models/${other}`);
      expect(refused.status).toBe(404);
      expect(await refused.json()).toMatchObject({ error: { code: 'model_not_found', message: expect.stringContaining('"fake-glm4"') as string } });
    }
  });

  it('says 404 with what there is', async () => {
    const { post } = await serve();
    const response = await post('/v1/embeddings', {});
    expect(response.status).toBe(404);
    expect(((await response.json()) as { error: { message: string } }).error.message).toContain('/v1/chat/completions');
  });

  it('hands on what the engine refuses, as the API names it', async () => {
    const { server } = await serve();
    await server.close();
    const failing = await startApiServer({
      engine: { ensureLoaded: () => Promise.resolve(fakeLoadedModel), generate: () => Promise.reject(new GlmError('prompt-too-long', 'Too long.')) },
      port: 0,
      log: { log: () => undefined },
    });
    servers.splice(0, 1, failing);
    const response = await fetch(`${failing.url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...hello, stream: true }) });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { code: 'context_length_exceeded', message: 'Too long.' } });
  });

  it('ends a stream with the error when the engine is lost in the middle', async () => {
    const { post, supervisor } = await serve({ onToken: (child, index) => index === 3 && setTimeout(() => child.die({ signal: 'SIGKILL' }), 5), pause: () => new Promise((resolve) => setTimeout(resolve, 20)) });
    const chunks = await events(await post('/v1/chat/completions', { ...hello, stream: true }));
    expect(chunks.at(-1)).toMatchObject({ error: { code: 'engine_lost', type: 'server_error' } });
    expect(supervisor.state.kind).toBe('lost');
    expect((await post('/v1/chat/completions', { ...hello, max_tokens: 1 })).status).toBe(200);
  });

  it('takes a client that breaks off in its body for no failure of its own', async () => {
    const logged: string[] = [];
    const { server, post } = await serve({}, { log: { log: (level, _tag, message) => void (level !== 'debug' && logged.push(message)) } });
    await new Promise<void>((resolve) => {
      const { port } = new URL(server.url);
      const request = httpRequest({ host: '127.0.0.1', port, path: '/v1/completions', method: 'POST', headers: { 'content-type': 'application/json', 'content-length': 500 } });
      request.on('error', () => resolve());
      request.write('{"prompt":', () => setTimeout(() => request.destroy(new Error('gone')), 20));
    });
    expect((await post('/v1/completions', { prompt: 'x' })).status).toBe(200);
    expect(logged).toEqual([]);
  });

  it('answers many prompts at once without a warning of Node', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error): void => void warnings.push(warning.name);
    process.on('warning', listen);
    const { post } = await serve();
    const response = (await (await post('/v1/completions', { prompt: Array.from({ length: 64 }, () => 'x'), max_tokens: 1 })).json()) as { choices: unknown[] };
    expect(response.choices).toHaveLength(64);
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });

  it('asks for its key', async () => {
    const { server, post } = await serve({}, { apiKey: 'secret' });
    expect((await fetch(`${server.url}/v1/models`)).status).toBe(401);
    expect((await post('/v1/chat/completions', hello, { authorization: 'Bearer wrong!' })).status).toBe(401);
    expect((await post('/v1/chat/completions', hello, { authorization: 'Bearer secret' })).status).toBe(200);
    const beyondAscii = await serve({}, { apiKey: 'schlüssel' });
    expect((await beyondAscii.post('/v1/chat/completions', hello, { authorization: Buffer.from('Bearer schlüssel').toString('latin1') })).status).toBe(200);
    expect((await beyondAscii.post('/v1/chat/completions', hello, { authorization: 'Bearer schluessel' })).status).toBe(401);
  });

  it('does not answer to a name that a web page gave it', async () => {
    const { server } = await serve();
    const status = await new Promise<number | undefined>((resolve) => {
      const { port } = new URL(server.url);
      httpRequest({ host: '127.0.0.1', port, path: '/v1/models', headers: { host: 'evil.example' } }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).end();
    });
    expect(status).toBe(403);
  });
});
