import { existsSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { downloadFile, type DownloadOptions } from '../../../../src/cuda/setup/downloadFile';
import { put, serveFile, sha256, startServer, tempFolder, type Answer } from './cudaFixtures';

const content = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) & 255));

async function setup(answer: Answer) {
  const server = await startServer({ '/file.whl': answer });
  const to = join(tempFolder(), 'file.whl');
  const options: DownloadOptions = { url: `${server.url}/file.whl`, sha256: sha256(content), byteLength: content.length, to, http: { proxy: '' }, retryDelayMs: 1 };
  return { server, to, options };
}

describe('downloadFile', () => {
  it('writes the file under its name when the hash is right, with progress to the end', async () => {
    const { to, options } = await setup(serveFile(content));
    const progress: number[] = [];
    await downloadFile({ ...options, onProgress: (done) => progress.push(done) });
    expect(readFileSync(to).equals(content)).toBe(true);
    expect(existsSync(`${to}.part`)).toBe(false);
    expect([progress[0], progress.at(-1)]).toEqual([0, content.length]);
  });

  it('goes on by itself where a connection broke, again and again', async () => {
    const cuts = [100_000, 150_000, 200_000, 250_000, 260_000];
    let cutAt = Infinity;
    let cutConnection = (): void => undefined;
    const { server, to, options } = await setup((request, response) => {
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      const end = cuts.shift() ?? content.length;
      response.writeHead(start > 0 ? 206 : 200, { 'content-length': content.length - start, 'content-range': `bytes ${start}-${content.length - 1}/${content.length}` });
      response.write(content.subarray(start, end));
      cutAt = end < content.length ? end : Infinity;
      cutConnection = () => void response.destroy();
    });
    // Two failures in a row without a byte would end it: each break here comes after progress.
    await downloadFile({ ...options, attempts: 2, onProgress: (done) => done >= cutAt && cutConnection() });
    expect(readFileSync(to).equals(content)).toBe(true);
    expect(server.requests).toEqual(['/file.whl', ...[100_000, 150_000, 200_000, 250_000, 260_000].map((start) => `/file.whl bytes=${start}-`)]);
  });

  it('goes on with what an earlier run left, fetching only the rest', async () => {
    const { server, to, options } = await setup(serveFile(content));
    put(`${to}.part`, content.subarray(0, 123_456));
    await downloadFile(options);
    expect(server.requests).toEqual(['/file.whl bytes=123456-']);
    expect(readFileSync(to).equals(content)).toBe(true);
  });

  it('starts over where the server does not know ranges', async () => {
    const { to, options } = await setup(serveFile(content, { ignoreRange: true }));
    put(`${to}.part`, content.subarray(0, 1000));
    await downloadFile(options);
    expect(readFileSync(to).equals(content)).toBe(true);
  });

  it('needs no request for a part that is whole', async () => {
    const { server, to, options } = await setup(serveFile(content));
    put(`${to}.part`, content);
    await downloadFile(options);
    expect(server.requests).toEqual([]);
    expect(existsSync(to)).toBe(true);
  });

  it('takes the hash as judge when the size is unknown and nothing is left to fetch', async () => {
    const { to, options } = await setup(serveFile(content));
    put(`${to}.part`, content);
    await downloadFile({ ...options, byteLength: undefined });
    expect(existsSync(to)).toBe(true);
  });

  it('deletes what has the wrong hash and never gives it the name', async () => {
    const wrong = Buffer.from(content);
    wrong[7] = 1;
    const { to, options } = await setup(serveFile(wrong));
    await expect(downloadFile(options)).rejects.toMatchObject({ code: 'download-hash-mismatch' });
    expect([existsSync(to), existsSync(`${to}.part`)]).toEqual([false, false]);
  });

  it('notices a damaged part when it goes on, and is right the next time', async () => {
    const { to, options } = await setup(serveFile(content));
    put(`${to}.part`, Buffer.alloc(5000, 9));
    await expect(downloadFile(options)).rejects.toMatchObject({ code: 'download-hash-mismatch' });
    await downloadFile(options);
    expect(readFileSync(to).equals(content)).toBe(true);
  });

  it('gives up after the given attempts without a byte, and keeps the part', async () => {
    const { server, to, options } = await setup((_request, response) => void response.destroy());
    put(`${to}.part`, content.subarray(0, 10));
    await expect(downloadFile({ ...options, attempts: 3 })).rejects.toMatchObject({ code: 'download-failed' });
    expect(server.requests).toHaveLength(3);
    expect(statSync(`${to}.part`).size).toBe(10);
  });

  it('tries again after a busy answer, not after a refusal', async () => {
    let numBusy = 2;
    const serve = serveFile(content);
    const busy = await setup((request, response) => (numBusy-- > 0 ? void response.writeHead(503).end() : serve(request, response)));
    await downloadFile(busy.options);
    expect(busy.server.requests).toHaveLength(3);
    const refused = await setup((_request, response) => void response.writeHead(403).end());
    await expect(downloadFile(refused.options)).rejects.toThrow('answers with status 403');
    expect(refused.server.requests).toHaveLength(1);
  });

  it('gives up on a server that falls silent', async () => {
    const { options } = await setup((_request, response) => void response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 10)));
    await expect(downloadFile({ ...options, attempts: 1, http: { proxy: '', idleTimeoutMs: 50 } })).rejects.toThrow(/silent for 0\.05 s|could not be read/);
  });

  it('ends at once when cancelled, keeping what came', async () => {
    const controller = new AbortController();
    const { to, options } = await setup((_request, response) => void response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 70_000)));
    const cancelled = downloadFile({ ...options, signal: controller.signal, onProgress: (done) => done >= 70_000 && controller.abort() });
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    expect(statSync(`${to}.part`).size).toBe(70_000);
  });

  it.skipIf(!existsSync('/dev/full'))('says that the disk is full', async () => {
    const { to, options } = await setup(serveFile(content));
    symlinkSync('/dev/full', `${to}.part`);
    await expect(downloadFile(options)).rejects.toMatchObject({ code: 'disk-full', message: expect.stringContaining('293 KiB are needed') });
  });

  it('refuses plain http to other machines, also by redirect', async () => {
    const { options } = await setup((_request, response) => void response.writeHead(302, { location: 'http://example.org/evil.whl' }).end());
    await expect(downloadFile({ ...options, url: 'http://example.org/file.whl', attempts: 1 })).rejects.toThrow('over https only');
    await expect(downloadFile({ ...options, attempts: 1 })).rejects.toThrow('http://example.org/evil.whl is not used');
  });

  it('follows redirects, but not in circles', async () => {
    const server = await startServer({
      '/a': (_request, response) => void response.writeHead(302, { location: '/b' }).end(),
      '/b': serveFile(content),
      '/circle': (_request, response) => void response.writeHead(302, { location: '/circle' }).end(),
    });
    const to = join(tempFolder(), 'file.whl');
    await downloadFile({ url: `${server.url}/a`, sha256: sha256(content), to, http: { proxy: '' } });
    expect(readFileSync(to).equals(content)).toBe(true);
    await expect(downloadFile({ url: `${server.url}/circle`, sha256: sha256(content), to, http: { proxy: '' }, attempts: 1 })).rejects.toThrow('redirects more than 5 times');
  });

  it.each([['bogus'], ['host:8080'], ['ftp://name:secret@host']])('names a proxy that is none: %s', async (proxy) => {
    const { options } = await setup(serveFile(content));
    const failure = await downloadFile({ ...options, attempts: 1, http: { proxy } }).catch((error: unknown) => error as Error);
    expect(failure).toMatchObject({ code: 'download-failed', message: expect.stringMatching(/^The proxy is given as .*Expected an address such as http:/) as string });
    expect((failure as Error).message).not.toContain('secret');
  });

  it('goes through a proxy when one is set', async () => {
    const { options, to } = await setup(serveFile(content));
    const tunnels: string[] = [];
    const proxy = createServer();
    proxy.on('connect', (request, client) => {
      tunnels.push(request.url ?? '');
      const [host, port] = (request.url ?? '').split(':');
      const upstream = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 OK\r\n\r\n');
        upstream.pipe(client).pipe(upstream);
      });
      upstream.on('error', () => client.destroy());
      client.on('error', () => upstream.destroy());
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void proxy.close());
    await downloadFile({ ...options, http: { proxy: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}` } });
    expect(tunnels).toEqual([new URL(options.url).host]);
    expect(readFileSync(to).equals(content)).toBe(true);
  });
});
