import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { streamCompletion, takeEvents } from '../../../src/bench/others/completionStream';
import { measureServer } from '../../../src/bench/others/serverPeer';
import type { OtherRun } from '../../../src/bench/others/otherEngine';

interface Asked {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** How each server answers, in its documented form; none of the three was at hand. */
interface Manner {
  readonly ownedBy: string;
  /** Status for prompts that are ids. */
  readonly refusesIds?: number;
  readonly hasCompletions?: boolean;
  readonly cached?: (asked: readonly Asked[]) => number;
  readonly usage?: boolean;
  readonly stopsAfter?: number;
  readonly atOnce?: boolean;
}

let server: Server | undefined;
afterEach(() => void server?.close());

async function start(manner: Manner): Promise<{ readonly url: string; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse, text: string): Promise<void> => {
    const path = request.url ?? '';
    if (path === '/v1/models') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ object: 'list', data: [{ id: 'glm', owned_by: manner.ownedBy }] }));
      return;
    }
    const body = JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>;
    asked.push({ path, body });
    if (path === '/flush_cache') {
      response.end('');
      return;
    }
    const isChat = path === '/v1/chat/completions';
    if ((!isChat && manner.hasCompletions === false) || (Array.isArray(body.prompt) && manner.refusesIds !== undefined)) {
      response.statusCode = manner.refusesIds ?? 404;
      response.end('{"error":{"message":"prompt must be a string"}}');
      return;
    }
    const promptTokens = Array.isArray(body.prompt) ? body.prompt.length : 17;
    const count = Math.min(manner.stopsAfter ?? Infinity, Number(body.max_tokens));
    response.setHeader('content-type', 'text/event-stream');
    const send = (value: object): void => void response.write(`data: ${JSON.stringify(value)}\n\n`);
    for (let index = 0; index < count; index += 1) {
      // A token takes its time, also here.
      await (manner.atOnce === true ? undefined : new Promise((resolve) => setTimeout(resolve, 1)));
      send({ choices: [isChat ? { delta: { content: 'x' } } : { text: 'x' }] });
    }
    if (manner.usage !== false) {
      send({ choices: [], usage: { prompt_tokens: promptTokens, completion_tokens: count, prompt_tokens_details: { cached_tokens: manner.cached?.(asked) ?? null } } });
    }
    response.end('data: [DONE]\n\n');
  };
  server = createServer((request, response) => {
    let text = '';
    request.on('data', (data: Buffer) => (text += data.toString()));
    request.on('end', () => void answer(request, response, text));
  });
  await new Promise<void>((resolve) => server?.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/`, asked };
}

const run = (changes: Partial<OtherRun> = {}): OtherRun => ({
  cases: [{ name: 'short', promptTokens: 3, newTokens: 4, concurrency: 1, promptIds: [5, 6, 7], promptText: 'abc' }],
  settings: { warmupRuns: 1, repetitions: 5 },
  onLoading: () => undefined,
  onMeasuring: () => undefined,
  onRun: () => undefined,
  ...changes,
});

describe('measureServer', () => {
  it('sends ids, lengths and what holds off EOS, and counts the repetitions (vLLM’s form)', async () => {
    const { url, asked } = await start({ ownedBy: 'vllm' });
    const { cases, notes } = await measureServer({ kind: 'server', url, apiKey: 'k' }, run());
    expect(notes).toEqual([]);
    expect(cases[0]).toMatchObject({ name: 'vLLM, short', engine: 'vLLM', rules: { promptTokens: 3, newTokens: 4, promptForm: 'ids' } });
    expect(cases[0]).not.toHaveProperty('brokenRules');
    expect(cases[0]?.samples).toHaveLength(5);
    // One trial of two tokens, one warm-up, five runs.
    expect(asked.map((each) => each.body.max_tokens)).toEqual([2, 4, 4, 4, 4, 4, 4]);
    expect(asked[1]?.body).toMatchObject({ prompt: [5, 6, 7], min_tokens: 4, ignore_eos: true, temperature: 0, stream: true, stream_options: { include_usage: true } });
    expect(new Set(asked.map((each) => each.body.cache_salt)).size).toBe(7);
  });

  it('falls back to text and says that the prompt is not the same (Ollama’s form)', async () => {
    const { url, asked } = await start({ ownedBy: 'library', refusesIds: 400 });
    const { cases } = await measureServer({ kind: 'server', url }, run());
    expect(asked.at(-1)?.body.prompt).toBe('abc');
    expect(cases[0]?.rules.promptForm).toBe('text');
    expect(cases[0]?.brokenRules).toEqual([{ rule: 'prompt', explanation: 'the prompt went there as text, of which the server made 17 tokens instead of our 3' }]);
  });

  it('falls back to a chat message where there is nothing else', async () => {
    const { url, asked } = await start({ ownedBy: 'x', hasCompletions: false });
    const { cases } = await measureServer({ kind: 'server', url }, run());
    expect(asked.at(-1)).toMatchObject({ path: '/v1/chat/completions', body: { messages: [{ role: 'user', content: 'abc' }] } });
    expect(cases[0]?.brokenRules?.map((each) => each.rule)).toEqual(['prompt']);
  });

  it('makes a server forget that keeps prompts (SGLang’s form), and names the rule when it does not', async () => {
    const flushed = await start({ ownedBy: 'sglang', cached: (asked) => (asked.some((each) => each.path === '/flush_cache') ? 0 : 3) });
    const { cases } = await measureServer({ kind: 'server', url: flushed.url }, run());
    expect(cases[0]).not.toHaveProperty('brokenRules');
    server?.close();
    const stubborn = await start({ ownedBy: 'sglang', cached: () => 3 });
    const kept = await measureServer({ kind: 'server', url: stubborn.url }, run());
    expect(kept.cases[0]?.brokenRules).toEqual([{ rule: 'cache', explanation: 'the server took 3 prompt tokens from its cache' }]);
  });

  it('names an early stop, and lengths that cannot be checked', async () => {
    const early = await start({ ownedBy: 'llamacpp', stopsAfter: 3 });
    expect((await measureServer({ kind: 'server', url: early.url }, run())).cases[0]?.brokenRules?.map((each) => each.rule)).toEqual(['early-stop']);
    server?.close();
    const silent = await start({ ownedBy: 'llamacpp', usage: false });
    expect((await measureServer({ kind: 'server', url: silent.url }, run())).cases[0]?.brokenRules?.map((each) => each.rule)).toEqual(['length']);
  });

  it('does not invent a speed for text that came all at once', async () => {
    const { url } = await start({ ownedBy: 'x', atOnce: true });
    const { cases, notes } = await measureServer({ kind: 'server', url }, run());
    expect(cases.flatMap((each) => each.samples.map((sample) => sample.decodeTokensPerSecond)).every(Number.isFinite)).toBe(true);
    expect(cases.length + notes.length).toBe(1);
  });

  it('makes a note of a server that is not there', async () => {
    const { cases, notes } = await measureServer({ kind: 'server', url: 'http://127.0.0.1:1' }, run());
    expect(cases).toEqual([]);
    expect(notes[0]).toMatch(/could not be measured: .*can't be reached/);
  });

  it('keeps the runs before a cancel', async () => {
    const { url } = await start({ ownedBy: 'vllm' });
    const controller = new AbortController();
    let runs = 0;
    const { cases } = await measureServer({ kind: 'server', url }, run({ signal: controller.signal, onRun: () => void ((runs += 1) === 3 && controller.abort()) }));
    expect(cases[0]).toMatchObject({ endedBy: 'cancelled' });
    expect(cases[0]?.samples).toHaveLength(2);
  });
});

describe('streamCompletion', () => {
  it('fails with the server’s own words', async () => {
    const { url } = await start({ ownedBy: 'x', refusesIds: 400 });
    await expect(streamCompletion(`${url}completions`, { prompt: [1], max_tokens: 1 }, {})).rejects.toThrow(/answered 400: .*prompt must be a string/);
  });

  it('takes events however they are cut', () => {
    const whole = 'data: {"a":1}\r\n\r\n: comment\ndata:{"b":2}\n\n';
    for (let cut = 0; cut <= whole.length; cut += 1) {
      const first = takeEvents(whole.slice(0, cut));
      const second = takeEvents(first.rest + whole.slice(cut));
      expect([...first.data, ...second.data]).toEqual(['{"a":1}', '{"b":2}']);
    }
  });
});
