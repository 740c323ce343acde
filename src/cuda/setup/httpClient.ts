/** GET over https, with redirects and the proxies that the environment names. */

import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { HttpsProxyAgent } from 'https-proxy-agent';
import { getProxyForUrl } from 'proxy-from-env';
import { CancelledError } from '../../common/errors';
import { DownloadError } from './setupErrors';

export interface HttpOptions {
  /** Replaces what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say. */
  readonly proxy?: string;
  /** Silence after which a connection counts as dead. */
  readonly idleTimeoutMs?: number;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** After redirects. */
  readonly url: URL;
  readonly body: IncomingMessage;
}

const mostRedirects = 5;
const defaultIdleTimeoutMs = 60_000;

/**
 * Sends a GET and resolves with the headers; the caller reads or destroys the body.
 *
 * Only https is spoken, and plain http with this machine itself; a redirect cannot lead out of that.
 *
 * @throws {DownloadError} naming address and cause.
 * @throws {CancelledError} when `signal` aborts.
 */
export async function httpGet(address: string | URL, headers: Readonly<Record<string, string>>, options: HttpOptions, signal?: AbortSignal): Promise<HttpAnswer> {
  let url = parseAddress(address);
  for (let redirects = 0; redirects <= mostRedirects; redirects += 1) {
    const body = await send(url, headers, options, signal);
    const status = body.statusCode ?? 0;
    const { location } = body.headers;
    if (status < 300 || status >= 400 || status === 304 || location === undefined) {
      return { status, headers: body.headers, url, body };
    }
    body.resume();
    url = parseAddress(new URL(location, url));
  }
  throw new DownloadError(`${shown(url)} redirects more than ${mostRedirects} times.`, { url: shown(url) });
}

/** Reads a whole small answer. */
export async function readText(answer: HttpAnswer, mostBytes: number, signal?: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > mostBytes) {
        throw new DownloadError(`${shown(answer.url)} answers with more than ${mostBytes} bytes; that is no package index.`, { url: shown(answer.url) });
      }
      chunks.push(chunk);
    }
  } catch (error) {
    throw toDownloadError(error, answer.url, signal);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** What a failed transfer is reported as. */
export function toDownloadError(error: unknown, url: URL, signal?: AbortSignal): Error {
  if (signal?.aborted) {
    return new CancelledError('The download');
  }
  if (error instanceof DownloadError) {
    return error;
  }
  const { code, message } = error as NodeJS.ErrnoException;
  return new DownloadError(`${url.host} could not be read: ${message}.`, { url: shown(url), code: code ?? 'unknown' }, error);
}

/** An address without the password that a mirror's may carry. */
export function shown(url: URL): string {
  const copy = new URL(url);
  copy.username = '';
  copy.password = '';
  return copy.href;
}

function parseAddress(address: string | URL): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    throw new DownloadError(`"${String(address)}" is no web address.`);
  }
  const isLoopback = ['127.0.0.1', '[::1]', 'localhost'].includes(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback)) {
    throw new DownloadError(`${shown(url)} is not used: libraries are downloaded over https only.`, { url: shown(url) });
  }
  return url;
}

/** As `http://host:port`, with or without a name and a password. */
function parseProxy(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.hostname === '') {
    throw new DownloadError(`The proxy is given as "${url === undefined ? address : shown(url)}". Expected an address such as http://host:8080.`);
  }
  return url;
}

function send(url: URL, headers: Readonly<Record<string, string>>, options: HttpOptions, signal?: AbortSignal): Promise<IncomingMessage> {
  const proxy = options.proxy ?? getProxyForUrl(url.href);
  const idleTimeoutMs = options.idleTimeoutMs ?? defaultIdleTimeoutMs;
  return new Promise((resolve, reject) => {
    const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
      headers: { 'user-agent': 'glm-local', 'accept-encoding': 'identity', ...headers },
      signal,
      ...(proxy === '' ? {} : { agent: new HttpsProxyAgent(parseProxy(proxy)) }),
    });
    request.setTimeout(idleTimeoutMs, () => request.destroy(new Error(`silent for ${idleTimeoutMs / 1000} s`)));
    request.on('response', resolve);
    request.on('error', (error) => reject(toDownloadError(error, url, signal)));
    request.end();
  });
}
