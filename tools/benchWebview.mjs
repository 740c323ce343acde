// Measures the chat view in a headless Chromium: bundle size, first paint, and the main thread's time per frame while a 20,000-token answer streams at 500 tok/s.
// `npm run bench:webview [-- --quick]` prints the figures; --rounds N measures every answer N times and gives medians; --answers mixed,lists only those;
// --breakdown says where the main thread's time goes in the heaviest tenth of the frames; --json prints all of it as JSON.
// The fake host runs on the same main thread and is counted.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import { cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { breakdownOf, framesOf, percentile, traceCategories } from './bench/mainThread.mjs';
import { answers, charactersPerToken } from './bench/viewAnswers.mjs';
import { buildScripts, launchBrowser, openView, viewHtml } from './screenshots/webviewPage.mjs';

const { values: given } = parseArgs({ options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, breakdown: { type: 'boolean', default: false }, rounds: { type: 'string', default: '1' }, answers: { type: 'string' } } });
const { quick: isQuick, json: asJson } = given;
const numRounds = Number(given.rounds);
const wantedAnswers = given.answers?.split(',') ?? Object.keys(answers);
const say = (line) => asJson || process.stdout.write(`${line}\n`);

const tokensPerSecond = 500;
const limits = { firstPaintMs: 300, frameMs: 8 };

/** Loads the page from a local server, each time in a fresh context without caches. */
async function measureFirstPaint(browser, scripts) {
  let html = '';
  const server = createServer((request, response) => {
    const body = { '/': html, '/host.js': scripts.host, '/chat.js': scripts.view }[request.url ?? ''];
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': request.url === '/' ? 'text/html' : 'text/javascript' }).end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const source = `http://127.0.0.1:${server.address().port}`;
  html = viewHtml({ scenario: 'chat' }, source);
  const runs = [];
  for (let run = 0; run < (isQuick ? 5 : 15); run += 1) {
    const context = await browser.newContext({ viewport: { width: 360, height: 720 } });
    const page = await context.newPage();
    await page.goto(source);
    await page.locator('[data-test=question]').waitFor();
    // The entry comes some time after the paint itself.
    await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0);
    runs.push(
      await page.evaluate(() => ({
        paintMs: performance.getEntriesByName('first-contentful-paint')[0].startTime,
        scriptEndMs: performance.getEntriesByType('resource').find((entry) => entry.name.endsWith('chat.js'))?.responseEnd,
      })),
    );
    await context.close();
  }
  const cpuMs = [];
  for (let run = 0; run < 3; run += 1) {
    const context = await browser.newContext({ viewport: { width: 360, height: 720 } });
    const page = await context.newPage();
    await browser.startTracing(page, { categories: ['toplevel', 'loading', 'devtools.timeline', 'disabled-by-default-devtools.timeline', '__metadata'] });
    await page.goto(source);
    await page.locator('[data-test=question]').waitFor();
    const events = JSON.parse((await browser.stopTracing()).toString()).traceEvents;
    const paint = events.filter((event) => event.name === 'firstContentfulPaint').at(-1);
    const tasks = events.filter((event) => event.name === 'RunTask' && event.pid === paint?.pid && event.tid === paint?.tid && event.ts <= paint.ts);
    cpuMs.push(tasks.reduce((sum, event) => sum + (event.tdur ?? event.dur) / 1000, 0));
    await context.close();
  }
  server.close();
  return {
    cpuMedianMs: percentile(cpuMs, 0.5),
    medianMs: percentile(runs.map((run) => run.paintMs), 0.5), p95Ms: percentile(runs.map((run) => run.paintMs), 0.95), afterScriptMedianMs: percentile(runs.map((run) => run.paintMs - run.scriptEndMs), 0.5), numRuns: runs.length };
}

async function measureStreaming(browser, scripts, { text, startTokens }) {
  const start = text.slice(0, (isQuick ? Math.max(startTokens, 18_000) : startTokens) * charactersPerToken);
  const turns = [{ id: 'q0', role: 'user', text: 'Write a long answer.' }];
  const page = await openView(browser, scripts, { scenario: 'chat', width: 360, height: 720, change: { conversation: { id: 'bench', title: '', turns, updatedAtMs: 0 } } });
  await page.locator('[data-test=question]').waitFor();
  await page.evaluate(
    ({ first, rest, speed, perToken }) => {
      const host = window.fakeHost;
      host.answer = { text: first + rest, tokensPerSecond: speed, charactersPerToken: perToken, startCharacters: first.length };
    },
    { first: start, rest: text.slice(start.length), speed: tokensPerSecond, perToken: charactersPerToken },
  );
  await page.locator('[data-test=composer]').fill('Go');
  await page.keyboard.press('Enter');
  await page.locator('[data-test=stop]').waitFor();
  await page.waitForTimeout(1500);
  await browser.startTracing(page, { categories: traceCategories });
  // A locator would search the whole growing page in every frame, on the thread that is measured.
  await page.waitForFunction(() => window.fakeHost.state.current.generation === undefined, undefined, { timeout: 120_000, polling: 500 });
  const trace = JSON.parse((await browser.stopTracing()).toString());
  const shown = await page.evaluate(() => window.fakeHost.state.current.conversation.turns.at(-1).text.length);
  const heapBytes = await page.evaluate(() => performance.memory?.usedJSHeapSize);
  await page.context().close();
  if (shown !== text.length) {
    throw new Error(`The answer has ${shown} characters instead of ${text.length}.`);
  }
  const frames = framesOf(trace);
  const describe = (list) => ({ numFrames: list.length, p50Ms: percentile(list.map((frame) => frame.cpu), 0.5), p95Ms: percentile(list.map((frame) => frame.cpu), 0.95), maxMs: Math.max(...list.map((frame) => frame.cpu)), wallP95Ms: percentile(list.map((frame) => frame.wall), 0.95) });
  return { scriptAndLayout: describe(frames.scriptAndLayout), allTasks: describe(frames.allTasks), heapBytes, breakdown: breakdownOf(trace) };
}

/** Median over the rounds of one figure, and the largest where there are several. */
function overRounds(rounds, figure) {
  const values = rounds.map(figure);
  const spread = values.length === 1 ? '' : ` (${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)})`;
  return `${percentile(values, 0.5).toFixed(1)}${spread}`;
}

function report(name, rounds) {
  const script = (figure) => overRounds(rounds, ({ scriptAndLayout }) => scriptAndLayout[figure]);
  say(
    `streaming, ${name}: script + layout per frame p50 ${script('p50Ms')}, p95 ${script('p95Ms')}, max ${script('maxMs')} ms CPU (wall p95 ${script('wallP95Ms')}); ` +
      `whole main thread p95 ${overRounds(rounds, ({ allTasks }) => allTasks.p95Ms)} ms; ${script('numFrames')} frames from token ${answers[name].startTokens.toLocaleString('en-US')} on; heap ${((rounds.at(-1).heapBytes ?? 0) / 1024 ** 2).toFixed(0)} MiB`,
  );
  if (given.breakdown) {
    const { all, heaviest } = rounds[0].breakdown;
    for (const part of Object.keys(heaviest)) {
      say(`    ${part.padEnd(34)} ${all[part].toFixed(2)} ms in all frames, ${heaviest[part].toFixed(2)} in the heaviest tenth`);
    }
  }
}

const scripts = await buildScripts({ minify: true });
const bundle = { bytes: Buffer.byteLength(scripts.view), gzipBytes: gzipSync(scripts.view).length };
const fontBytes = readFileSync(join(dirname(fileURLToPath(import.meta.url)), '../node_modules/@vscode/codicons/dist/codicon.ttf')).length;
say(`bundle: ${(bundle.bytes / 1024).toFixed(0)} KiB minified, ${(bundle.gzipBytes / 1024).toFixed(0)} KiB gzip (icon font ${((fontBytes * 4) / 3 / 1024).toFixed(0)} KiB of it)`);
const browser = await launchBrowser();
const results = { bundle, cpus: `${cpus().length} × ${cpus()[0]?.model}`, loadBefore: loadavg()[0] };
try {
  results.firstPaint = await measureFirstPaint(browser, scripts);
  say(`first contentful paint: median ${results.firstPaint.medianMs.toFixed(0)} ms, p95 ${results.firstPaint.p95Ms.toFixed(0)} ms, of it ${results.firstPaint.afterScriptMedianMs.toFixed(0)} ms after the script had arrived, ${results.firstPaint.cpuMedianMs.toFixed(0)} ms of main-thread CPU, over ${results.firstPaint.numRuns} loads (limit ${limits.firstPaintMs} ms)`);
  results.streaming = {};
  for (let round = 0; round < numRounds; round += 1) {
    for (const name of wantedAnswers) {
      (results.streaming[name] ??= []).push(await measureStreaming(browser, scripts, answers[name]));
    }
  }
  for (const [name, rounds] of Object.entries(results.streaming)) {
    report(name, rounds);
  }
} finally {
  await browser.close();
}
results.loadAfter = loadavg()[0];
say(`machine: ${results.cpus}, load ${results.loadBefore.toFixed(1)} before and ${results.loadAfter.toFixed(1)} after`);
if (asJson) {
  process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
}
const slowest = Object.values(results.streaming).map((rounds) => percentile(rounds.map(({ scriptAndLayout }) => scriptAndLayout.p95Ms), 0.5));
const isTooSlow = results.firstPaint.medianMs > limits.firstPaintMs || slowest.some((p95Ms) => p95Ms > limits.frameMs);
if (isTooSlow) {
  process.stderr.write(`Over the limit: first paint ${limits.firstPaintMs} ms, script + layout ${limits.frameMs} ms per frame (p95).\n`);
}
process.exitCode = isTooSlow ? 1 : 0;
