/**
 * The OpenAI-compatible HTTP server: /v1/models, /v1/models/NAME, /v1/chat/completions, /v1/completions, /health.
 *
 * Made for programs on the same machine. On the loopback address requests must name it as their host, so that a web page cannot reach the
 * model through a name of its own (DNS rebinding); bodies must be declared as JSON, which a page cannot do across origins without being asked first.
 */

import { randomUUID, timingSafeEqual } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from '../common/log';
import type { ModelDescription } from '../common/protocol/engine';
import { parseJsonKeepingNumbers } from '../common/pythonNumbers';
import { ApiError, toApiFailure } from './apiError';
import { answerCompletion, sendJson, type ServedEngine } from './completionHandler';
import { readChatRequest, readTextRequest } from './completionRequest';
import type { CompletionKind } from './completionResponse';
import { isObject, textField, type Body } from './requestFields';

export interface ApiServerOptions {
  readonly engine: ServedEngine;
  /** 0 takes any free port. */
  readonly port: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Asked of every request as `Authorization: Bearer KEY`. */
  readonly apiKey?: string;
  readonly log: Log;
}

export interface ApiServer {
  readonly url: string;
  close(): Promise<void>;
}

/** JSON Schemas of tools stay far below this. */
const mostDepth = 200;

const modelPath = '/v1/models/';

/** Long conversations with pasted files stay far below this. */
const maxBodyBytes = 32 * 1024 * 1024;

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** Rejects with the system's error when the port is taken. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const host = options.host ?? '127.0.0.1';
  const startedSeconds = Math.floor(Date.now() / 1000);
  const server = createServer((request, response) => {
    void serve(request, response, options, host, startedSeconds).catch((error: unknown) => {
      const failure = toApiFailure(error);
      if (failure.status >= 500) {
        options.log.log('error', 'server', error instanceof Error ? error.message : String(error));
      }
      sendJson(response, failure.status, failure.body);
    });
  });
  await listen(server, options.port, host);
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function serve(request: IncomingMessage, response: ServerResponse, options: ApiServerOptions, host: string, startedSeconds: number): Promise<void> {
  assertHost(request, host);
  const path = new URL(request.url ?? '/', 'http://localhost').pathname.replace(/\/$/, '');
  const route = `${request.method} ${path}`;
  options.log.log('debug', 'server', route);
  if (route === 'GET /health') {
    sendJson(response, 200, { status: 'ok' });
    return;
  }
  assertKey(request, options.apiKey);
  if (request.method === 'GET' && path.startsWith(modelPath)) {
    const { description } = await options.engine.ensureLoaded();
    assertModel(decodeName(path.slice(modelPath.length)), description);
    sendJson(response, 200, modelEntry(description, startedSeconds));
    return;
  }
  switch (route) {
    case 'GET /v1/models': {
      const { description } = await options.engine.ensureLoaded();
      sendJson(response, 200, { object: 'list', data: [modelEntry(description, startedSeconds)] });
      return;
    }
    case 'POST /v1/chat/completions':
      return complete('chat', request, response, options);
    case 'POST /v1/completions':
      return complete('text', request, response, options);
    default:
      throw new ApiError(404, 'not-found', `There is no ${route}. There are GET /v1/models, GET /v1/models/NAME, POST /v1/chat/completions, POST /v1/completions and GET /health.`);
  }
}

async function complete(kind: CompletionKind, request: IncomingMessage, response: ServerResponse, { engine, log }: ApiServerOptions): Promise<void> {
  const controller = new AbortController();
  // Each of many prompts listens to it.
  setMaxListeners(0, controller.signal);
  // The response closes before it has ended when the client goes away: nobody is left to generate for.
  response.once('close', () => {
    if (!response.writableEnded) {
      log.log('debug', 'server', 'the client went away; its generation is cancelled');
      controller.abort();
    }
  });
  const body = await readBody(request);
  const model = await engine.ensureLoaded();
  const defaults = { contextTokens: model.contextTokens, sampling: model.description.samplingDefaults };
  assertModel(textField(body, 'model'), model.description);
  const completion = kind === 'chat' ? readChatRequest(body, defaults) : readTextRequest(body, defaults);
  const head = { kind, id: `${kind === 'chat' ? 'chatcmpl' : 'cmpl'}-${randomUUID()}`, createdSeconds: Math.floor(Date.now() / 1000), model: model.description.name };
  await answerCompletion(completion, { engine, model, head, response, signal: controller.signal });
}

function modelEntry({ name }: ModelDescription, startedSeconds: number): object {
  return { id: name, object: 'model', created: startedSeconds, owned_by: 'local' };
}

/** The names that mean the model: its own, with or without what stands before it, and its folder. A request for another one is not answered by this one. */
function assertModel(asked: string | undefined, { name, folder }: ModelDescription): void {
  const lastPart = (text: string): string | undefined => text.split(/[\\/]/).filter(Boolean).at(-1)?.toLowerCase();
  if (asked !== undefined && asked !== folder && lastPart(asked) !== lastPart(name)) {
    throw new ApiError(404, 'model-not-found', `There is no model "${asked}" here; the one that is loaded is called "${name}".`, 'model');
  }
}

/** What no encoded name could be is taken as it stands. */
function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function assertHost(request: IncomingMessage, host: string): void {
  const asked = (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (isLoopback(host) && !isLoopback(asked)) {
    throw new ApiError(403, 'wrong-host', `This server answers only requests to ${host}, not to "${asked}".`);
  }
}

function assertKey(request: IncomingMessage, apiKey: string | undefined): void {
  if (apiKey === undefined) {
    return;
  }
  // Node reads headers byte by byte, so a key beyond ASCII arrives as its bytes.
  const given = Buffer.from(request.headers.authorization ?? '', 'latin1');
  const expected = Buffer.from(`Bearer ${apiKey}`);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new ApiError(401, 'invalid-api-key', 'The API key is missing or wrong. Send it as "Authorization: Bearer KEY".');
  }
}

async function readBody(request: IncomingMessage): Promise<Body> {
  if (!/^application\/json\b/i.test(request.headers['content-type'] ?? '')) {
    throw new ApiError(415, 'not-json', 'Send the body as JSON, with the header "Content-Type: application/json".');
  }
  const text = await readText(request);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ApiError(400, 'not-json', `The body is not JSON: ${(error as Error).message}`);
  }
  if (!isObject(value)) {
    throw new ApiError(400, 'not-json', 'The body must be a JSON object.');
  }
  if (isDeeperThan(mostDepth, value)) {
    throw new ApiError(400, 'not-json', `The body is nested more than ${mostDepth} levels deep.`);
  }
  return { ...value, ...forTheTemplate(text) };
}

/** Level by level, since what is nested thousands deep overflows the stack of whatever walks into it. */
function isDeeperThan(most: number, value: unknown): boolean {
  let level: readonly unknown[] = [value];
  for (let depth = 0; depth <= most && level.length > 0; depth += 1) {
    level = level.flatMap((each): readonly unknown[] => (typeof each === 'object' && each !== null ? Object.values(each) : []));
  }
  return level.length > 0;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBodyBytes) {
        throw new ApiError(413, 'body-too-large', `The body is larger than ${maxBodyBytes} bytes.`);
      }
      chunks.push(chunk);
    }
  } catch (error) {
    // Nobody is left to read it; what counts is that it is no failure of ours.
    throw request.complete || error instanceof ApiError ? error : new ApiError(400, 'body-cut-off', 'The client broke off before the body had come.');
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The fields that a chat template writes into the prompt, with numbers spelled as Python spells them. */
function forTheTemplate(text: string): Body {
  const kept = parseJsonKeepingNumbers(text) as Body;
  return Object.fromEntries(['messages', 'tools', 'chat_template_kwargs'].flatMap((name) => (Object.hasOwn(kept, name) ? [[name, kept[name]]] : [])));
}
