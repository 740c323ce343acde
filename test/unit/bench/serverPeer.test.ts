import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { streamCompletion, takeEvents } from '../../../src/bench/others/completionStream';
import { measureServer as measure } from '../../../src/bench/others/serverPeer';
import { serverAt, type OtherRun } from '../../../src/bench/others/otherEngine';
import { benchmarkReport } from '../../fakes/benchmarkReport';
import { reportSchemaErrors } from '../../fakes/publishedSchemas';

/** Whatever a test is about, the cases have to be ones of the published schema. */
const measureServer: typeof measure = async (...args) => {
  const outcome = await measure(...args);
  expect(reportSchemaErrors(benchmarkReport({ cases: outcome.cases }))).toEqual([]);
  return outcome;
};

interface Asked {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** How each server answers, in its documented form, or as it was seen to (llama-cpp-python, transformers serve). */
interface Manner {
  readonly ownedBy: string;
  /** Status for prompts that are ids. */
  readonly refusesIds?: number;
  readonly hasCompletions?: boolean;
  readonly cached?: (asked: readonly Asked[]) => number;
  /** In streamed answers. */
  readonly usage?: boolean;
  /** In answers that are not streamed. */
  readonly plainUsage?: boolean;
  /** Refuses fields that OpenAI's interface does not have, but for these. */
  readonly knownFields?: readonly string[];
  readonly stopsAfter?: number;
  readonly atOnce?: boolean;
  /** Tokens in each piece of streamed text. */
  readonly pieceTokens?: number;
  /** From the fourth answer of one length on it closes the connection after so many pieces, in good order or not. */
  readonly dies?: { readonly after: number; readonly inGoodOrder: boolean };
  readonly models?: readonly unknown[];
  readonly lastEvent?: string;
}

let server: Server | undefined;
afterEach(() => void server?.close());

async function start(manner: Manner): Promise<{ readonly url: string; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse, text: string): Promise<void> => {
    const path = request.url ?? '';
    if (path === '/v1/models') {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ object: 'list', data: manner.models ?? [{ id: 'glm', owned_by: manner.ownedBy }] }));
      return;
    }
    const body = JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>;
    asked.push({ path, body });
    if (path === '/flush_cache') {
      response.end('');
      return;
    }
    const unknown = Object.keys(body).filter((field) => !['model', 'prompt', 'messages', 'max_tokens', 'temperature', 'seed', 'stream', 'stream_options', ...(manner.knownFields ?? [field])].includes(field));
    if (unknown.length > 0) {
      response.statusCode = 422;
      response.end(JSON.stringify({ detail: `Unexpected fields in the request: ${unknown.join(', ')}` }));
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
    if (body.stream !== true) {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ choices: [{ text: 'x' }], ...(manner.plainUsage === false ? {} : { usage: { prompt_tokens: promptTokens, completion_tokens: count } }) }));
      return;
    }
    response.setHeader('content-type', 'text/event-stream');
    const send = (value: object): void => void response.write(`data: ${JSON.stringify(value)}\n\n`);
    for (let index = 0; index < count / (manner.pieceTokens ?? 1); index += 1) {
      if (manner.dies !== undefined && asked.filter((each) => each.body.max_tokens === body.max_tokens).length > 3 && count > 2 && index === manner.dies.after) {
        if (manner.dies.inGoodOrder) {
          response.end();
        } else {
          response.destroy();
        }
        return;
      }
      // A token takes its time, also here.
      await (manner.atOnce === true ? undefined : new Promise((resolve) => setTimeout(resolve, manner.pieceTokens === undefined ? 1 : 10)));
      send({ choices: [isChat ? { delta: { content: 'x' } } : { text: 'x' }] });
    }
    if (manner.usage !== false) {
      send({ choices: [], usage: { prompt_tokens: promptTokens, completion_tokens: count, prompt_tokens_details: { cached_tokens: manner.cached?.(asked) ?? null } } });
    }
    response.end(manner.lastEvent ?? 'data: [DONE]\n\n');
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
    const { url, asked } = await start({ ownedBy: 'vllm', cached: () => 0 });
    const { cases, notes } = await measureServer({ kind: 'server', url, apiKey: 'k' }, run());
    expect(notes).toEqual([]);
    expect(cases[0]).toMatchObject({ name: 'vLLM, short', engine: 'vLLM', rules: { promptTokens: 3, newTokens: 4, promptForm: 'ids' } });
    expect(cases[0]).not.toHaveProperty('brokenRules');
    expect(cases[0]?.samples).toHaveLength(5);
    // One trial of two tokens, one warm-up, five runs.
    expect(asked.map((each) => each.body.max_tokens)).toEqual([2, 4, 4, 4, 4, 4, 4]);
    expect(cases[0]?.setup).toHaveLength(1);
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
    const mute = await start({ ownedBy: 'x', usage: false, plainUsage: false });
    expect((await measureServer({ kind: 'server', url: mute.url }, run())).cases[0]?.brokenRules?.map((each) => each.rule)).toEqual(['length']);
  });

  it('asks for lengths apart, and sends another prompt between runs, where a server tells neither lengths nor its cache (llama-cpp-python’s form)', async () => {
    const { url, asked } = await start({ ownedBy: 'me', usage: false, refusesIds: 500 });
    const { cases } = await measureServer({ kind: 'server', url }, run());
    expect(cases[0]).toMatchObject({ engine: 'llama-cpp-python', setup: [expect.stringContaining('prompt as text'), expect.stringContaining('another prompt was sent between runs'), expect.stringContaining('not streamed')] });
    // The prompt goes there as text, which is the only rule it breaks: its lengths are known after all.
    expect(cases[0]?.brokenRules?.map(({ explanation }) => explanation)).toEqual(['the prompt went there as text, of which the server made 17 tokens instead of our 3']);
    const prompts = asked.filter(({ path, body }) => path === '/v1/completions' && body.prompt !== undefined && !Array.isArray(body.prompt)).map(({ body }) => `${String(body.prompt)} ${String(body.max_tokens)}`);
    expect(prompts).toEqual(['abc 2', ...Array.from({ length: 6 }, () => ['cba 1', 'abc 4']).flat(), 'abc 4']);
  });

  it('takes the prompt for the same where its text reads back and the server counts as many tokens, and only there', async () => {
    const { url } = await start({ ownedBy: 'me', refusesIds: 500 });
    const seventeen = (promptReadsBack: boolean, numIds = 17) => run({ cases: [{ name: 'short', promptTokens: numIds, newTokens: 4, concurrency: 1, promptIds: new Array<number>(numIds).fill(5), promptText: 'abc', promptReadsBack }] });
    const [same] = (await measureServer({ kind: 'server', url }, seventeen(true))).cases;
    expect(same).not.toHaveProperty('brokenRules');
    expect(same?.setup?.join()).toContain('the server counted as many tokens');
    expect((await measureServer({ kind: 'server', url }, seventeen(false))).cases[0]?.brokenRules?.map(({ rule }) => rule)).toEqual(['prompt']);
    expect((await measureServer({ kind: 'server', url }, seventeen(true, 16))).cases[0]?.brokenRules?.map(({ rule }) => rule)).toEqual(['prompt']);
  });

  it('holds a server to the rules in its own words that refuses ours (transformers serve’s form)', async () => {
    const { url, asked } = await start({ ownedBy: 'local', refusesIds: 422, knownFields: ['generation_config'] });
    const { cases } = await measureServer({ kind: 'server', url }, run());
    expect(cases[0]).toMatchObject({ engine: 'transformers serve', name: 'transformers serve, short' });
    expect(cases[0]?.brokenRules?.map((each) => each.rule)).toEqual(['prompt']);
    expect(JSON.parse(String(asked.at(-1)?.body.generation_config))).toEqual({ max_new_tokens: 4, min_new_tokens: 4, do_sample: false });
  });

  it('measures a server that refuses every field of ours, and says that nothing holds off its stop tokens', async () => {
    const { url } = await start({ ownedBy: 'x', knownFields: [], stopsAfter: 3 });
    const { cases } = await measureServer({ kind: 'server', url }, run());
    expect(cases[0]?.setup?.join()).toContain('no field that holds off its stop tokens');
    expect(cases[0]?.brokenRules?.map((each) => each.rule)).toEqual(['early-stop']);
  });

  it('does not invent a speed for text that came all at once', async () => {
    const { url } = await start({ ownedBy: 'x', atOnce: true });
    const { cases, notes } = await measureServer({ kind: 'server', url }, run());
    expect(cases.flatMap((each) => each.samples.map((sample) => sample.decodeTokensPerSecond)).every(Number.isFinite)).toBe(true);
    expect(cases.length + notes.length).toBe(1);
  });

  it.each([true, false])('counts no answer that was broken off, in good order: %s', async (inGoodOrder) => {
    const { url } = await start({ ownedBy: 'x', usage: false, dies: { after: 2, inGoodOrder } });
    const { cases } = await measureServer({ kind: 'server', url }, run({ cases: [{ name: 'short', promptTokens: 3, newTokens: 40, concurrency: 1, promptIds: [5, 6, 7], promptText: undefined }], settings: { warmupRuns: 0, repetitions: 5 } }));
    expect(cases[0]?.endedBy).toMatch(inGoodOrder ? /ended its answer after 2 pieces of text without saying/ : /broke off its answer after \d pieces of text/);
    expect(cases[0]?.samples.every((sample) => sample.tpotMs > 0.5)).toBe(true);
  });

  it('takes an answer for complete that ends with a reason, also in an event without a line end', async () => {
    const { url } = await start({ ownedBy: 'x', lastEvent: 'data: {"choices":[null,{"text":"","finish_reason":"length"}]}' });
    const { cases } = await measureServer({ kind: 'server', url }, run());
    expect(cases[0]).not.toHaveProperty('endedBy');
    expect(cases[0]?.samples).toHaveLength(5);
  });

  it('takes pieces of several tokens for equally long, instead of the first one for a single token', async () => {
    const { url } = await start({ ownedBy: 'x', pieceTokens: 4 });
    const { cases } = await measureServer({ kind: 'server', url }, run({ cases: [{ name: 'short', promptTokens: 3, newTokens: 8, concurrency: 1, promptIds: [5, 6, 7], promptText: undefined }] }));
    // A busy machine may hold the first piece back until the second one is nearly there; not in all of five runs.
    const [sample] = [...(cases[0]?.samples ?? [])].sort((a, b) => b.tpotMs - a.tpotMs);
    expect(sample?.generatedTokens).toBe(8);
    // Two pieces: what lies between them is the time of the four tokens of the second one, not of seven.
    const between = (sample?.totalMs ?? NaN) - (sample?.ttftMs ?? NaN);
    expect((sample?.tpotMs ?? NaN) * 4).toBeLessThanOrEqual(between);
    expect((sample?.tpotMs ?? NaN) * 4).toBeGreaterThan(7);
    expect(cases[0]?.cautions.join()).toContain('8 tokens came in 2 pieces of text');
  });

  it('asks for the model that the address names, and says so where it had to choose', async () => {
    const models = [null, { id: 7 }, { id: 'embedder', owned_by: 'library' }, { id: 'glm', owned_by: 'library' }];
    const { url, asked } = await start({ ownedBy: 'x', models });
    const chosen = (await measureServer(serverAt(`${url}#glm`), run())).cases[0];
    expect(chosen?.model).toBe('glm');
    expect(asked.at(-1)?.body.model).toBe('glm');
    const first = (await measureServer(serverAt(url), run())).cases[0];
    expect(first?.model).toBe('embedder');
    expect(first?.cautions.join()).toContain('the server lists 2 models (embedder, glm), of which the first was measured');
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
