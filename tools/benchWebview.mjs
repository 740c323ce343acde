// Measures the chat view in a headless Chromium: bundle size, first paint, and the main thread's time per frame while a 20,000-token answer streams at 500 tok/s.
// `npm run bench:webview [-- --quick]` prints the figures; --json prints them as JSON. The fake host runs on the same main thread and is counted.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import { cpus, loadavg } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { framesOf, percentile, traceCategories } from './bench/mainThread.mjs';
import { buildScripts, launchBrowser, openView, viewHtml } from './screenshots/webviewPage.mjs';

const isQuick = process.argv.includes('--quick');
const asJson = process.argv.includes('--json');
const say = (line) => asJson || process.stdout.write(`${line}\n`);

const numTokens = 20_000;
const charactersPerToken = 4;
const tokensPerSecond = 500;
const limits = { firstPaintMs: 300, frameMs: 8 };

const sections = [
  'The scheduler picks the next batch from what is waiting, and **keeps** the rest. Each step appends one token per row; `seqlens_k` says how far each has come, and nothing is copied that already lies on the device.\n\n',
  '## A heading for the next part\n\n',
  '```python\ndef generate(model, input_ids, max_new_tokens=64):\n    past = None\n    for step in range(max_new_tokens):\n        logits, past = model(input_ids, past)  # one forward pass\n        next_id = int(logits[0, -1].argmax())\n        if next_id in (151329, 151336):\n            break\n        input_ids = torch.tensor([[next_id]], device=model.device)\n    return past\n```\n\n',
  '1. Read the header and check every offset.\n2. Plan the stages:\n   - embedding first\n   - the head last\n3. Copy while the next piece is read.\n\n',
  '| device | layers | free | note |\n|:--|--:|--:|:--|\n| cuda:0 | 0–19 | 58.1 GiB | first stage |\n| cuda:1 | 20–39 | 57.4 GiB | last stage |\n\n',
  '显存被分成权重、键值缓存和激活三部分，每一部分都能单独看到。这样就知道哪些内存是我们自己用的，哪些是其他进程占用的。\n\n',
  '> A stage that lands on the CPU is shown as a warning with its measured cost.\n\n',
];
const fill = (parts, characters) => {
  let text = '';
  for (let index = 0; text.length < characters; index += 1) {
    text += typeof parts === 'function' ? parts(index) : parts[index % parts.length];
  }
  return text.slice(0, characters);
};
const whole = numTokens * charactersPerToken;
/** Answers to stream; `startTokens` are on screen before the clock starts. */
const answers = {
  mixed: { text: fill(sections, whole), startTokens: isQuick ? 18_000 : 0 },
  'one code block': { text: `\`\`\`python\n${fill((index) => `value_${index} = compute(value_${index}, "text", ${index})  # line ${index}\n`, whole - 20)}`, startTokens: 18_000 },
  'one list': { text: fill((index) => `- item ${index} with **bold** text, \`code\` and a few words more\n`, whole), startTokens: 18_000 },
  'one paragraph': { text: fill((index) => `word${index} and some more text without an end, `, whole), startTokens: 18_000 },
  'one table': { text: fill((index) => (index === 0 ? '| a | b | c |\n|---|--:|---|\n' : `| row ${index} | ${index * 7} | some text |\n`), whole), startTokens: 18_000 },
};

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
  const start = text.slice(0, startTokens * charactersPerToken);
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
  return { scriptAndLayout: describe(frames.scriptAndLayout), allTasks: describe(frames.allTasks), heapBytes };
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
  for (const [name, answer] of Object.entries(answers)) {
    const result = await measureStreaming(browser, scripts, answer);
    results.streaming[name] = result;
    const { scriptAndLayout: part, allTasks } = result;
    say(
      `streaming, ${name}: script + layout per frame p50 ${part.p50Ms.toFixed(1)}, p95 ${part.p95Ms.toFixed(1)}, max ${part.maxMs.toFixed(1)} ms CPU (wall p95 ${part.wallP95Ms.toFixed(1)}); ` +
        `whole main thread p95 ${allTasks.p95Ms.toFixed(1)} ms; ${part.numFrames} frames from token ${answer.startTokens.toLocaleString('en-US')} on; heap ${((result.heapBytes ?? 0) / 1024 ** 2).toFixed(0)} MiB`,
    );
  }
} finally {
  await browser.close();
}
results.loadAfter = loadavg()[0];
say(`machine: ${results.cpus}, load ${results.loadBefore.toFixed(1)} before and ${results.loadAfter.toFixed(1)} after`);
if (asJson) {
  process.stdout.write(`${JSON.stringify(results, undefined, 2)}\n`);
}
const isTooSlow = results.firstPaint.medianMs > limits.firstPaintMs || results.streaming.mixed.scriptAndLayout.p95Ms > limits.frameMs;
if (isTooSlow) {
  process.stderr.write(`Over the limit: first paint ${limits.firstPaintMs} ms, script + layout ${limits.frameMs} ms per frame (mixed answer, p95).\n`);
}
process.exitCode = isTooSlow ? 1 : 0;
