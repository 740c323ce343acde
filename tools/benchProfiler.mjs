// Measures the profiler's panel in a headless Chromium: the main thread's time per frame while 50,000 samples are dragged over the screen, and how long a profile of
// 2,000 steps × 600 operators takes from its text to the painted panel. `npm run bench:profiler` prints the figures; exit code 1 where one is over its limit.
// The stand-in for the editor hands messages over as text, as the editor does, on the panel's own main thread: its time counts.
import { cpus, loadavg, tmpdir } from 'node:os';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { framesOf, percentile, traceCategories } from './bench/mainThread.mjs';
import { nodeBundle } from './nodeBundle.mjs';
import { contentPolicy, launchBrowser } from './screenshots/webviewPage.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const limits = { frameMs: 8, openMs: 2000 };
const numSamples = 50_000;
const [numSteps, numNodes] = [2000, 600];
const origin = 'https://panel.test';
const nonce = 'bm9uY2UtZm9yLXRlc3Rz';
const startMs = 1_790_000_000_000;
const say = (line) => process.stdout.write(`${line}\n`);

const bundle = async (entry, options = {}) => (await esbuild.build({ absWorkingDir: root, entryPoints: [entry], bundle: true, write: false, format: 'iife', platform: 'browser', target: 'chrome114', loader: { '.ttf': 'dataurl' }, minify: true, logLevel: 'warning', ...options })).outputFiles[0].text;

/** The extension's own functions. */
async function loadProfiling() {
  const folder = mkdtempSync(join(tmpdir(), 'glm-bench-'));
  try {
    const outfile = join(folder, 'profiling.cjs');
    const contents = "export { parseProfile } from './parseProfile'; export { summarizeProfile } from './summarizeProfile';";
    await esbuild.build({ ...nodeBundle, stdin: { contents, resolveDir: join(root, 'src/profiling') }, outfile, logLevel: 'warning' });
    return createRequire(import.meta.url)(outfile);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const base = { schema: 'glm-local.profile/1', startedAtMs: startMs, environment: { machine: 'made up for a measurement' }, telemetry: [], engineMemory: [], generations: [], operators: [], bandwidth: [] };
const gpu = 'cuda:0';

/** Readings of one GPU: memory in four parts, utilisation, power, 5 a second; with a reading of the engine's own memory beside every tenth. */
function sampledProfile() {
  const gibibyte = 1024 ** 3;
  const noise = (index, period) => 0.5 + 0.5 * Math.sin(index / period) * Math.cos(index / 7);
  return {
    ...base,
    telemetry: Array.from({ length: numSamples }, (_, index) => ({
      timeMs: startMs + index * 200,
      devices: [{ id: gpu, usedBytes: Math.round((18 + 4 * noise(index, 900)) * gibibyte), totalBytes: 80 * gibibyte, utilizationPercent: Math.round(100 * noise(index, 300)), powerWatts: 100 + 500 * noise(index, 500), powerLimitWatts: 700 }],
    })),
    engineMemory: Array.from({ length: numSamples / 10 }, (_, index) => ({ timeMs: startMs + index * 2000, devices: [{ device: gpu, weightBytes: 12 * gibibyte, kvBytes: Math.round(3 * noise(index, 90) * gibibyte), activationBytes: 2 ** 28, stagingBytes: 0 }] })),
  };
}

function operatorProfile() {
  const total = numSteps * numNodes;
  const opTypes = ['MatMulNBits', 'GroupQueryAttention', 'SkipSimplifiedLayerNormalization', 'Mul'];
  return {
    ...base,
    bandwidth: [{ device: gpu, bytesPerSecond: 4.1e12 }],
    operators: [
      {
        kind: 'decode', tokens: 1, contextTokens: 512, clock: 'device', mode: 'extra', plainStepMs: 6.2,
        nodes: Array.from({ length: numNodes }, (_, index) => ({ name: `/layers.${Math.floor(index / 15)}/op${index % 15}`, opType: opTypes[index % 4], provider: 'CUDAExecutionProvider', stageIndex: 0, device: gpu, layer: Math.floor(index / 15), bytes: 30_000_000, flops: 30_000_000 })),
        steps: Array.from({ length: numSteps }, (_, step) => ({ startMs: step * 6.3, durationMs: 6.2 })),
        startsUs: Array.from({ length: total }, (_, index) => Math.floor(index / numNodes) * 6300 + (index % numNodes) * 10.321),
        durationsUs: Array.from({ length: total }, (_, index) => 9.5 + ((index * 7919) % 1000) / 1000),
      },
    ],
  };
}

const theme = readFileSync(join(root, 'tools/screenshots/themes/dark.json'), 'utf8');
const [view, host] = await Promise.all([bundle('webview/profiler/main.ts'), bundle('test/webview/support/profilerPage.ts')]);

async function openPanel(browser, profile, { summarizeProfile }) {
  const page = await (await browser.newContext({ viewport: { width: 1200, height: 900 } })).newPage();
  const state = { source: { kind: 'saved', name: 'bench' }, model: { state: 'none' }, profile: summarizeProfile(profile) };
  const html = `<!DOCTYPE html><html lang="en"><head><meta charset="UTF-8"><meta http-equiv="Content-Security-Policy" content="${contentPolicy(origin)}"><meta property="csp-nonce" content="${nonce}"></head><body><div id="root"></div>
<script nonce="${nonce}">window.panelSetup = ${JSON.stringify({ state, theme: JSON.parse(theme) }).replaceAll('<', '\\u003c')};</script><script nonce="${nonce}" src="/host.js"></script><script nonce="${nonce}" src="/view.js"></script></body></html>`;
  const bodies = { '/': ['text/html', html], '/host.js': ['text/javascript', host], '/view.js': ['text/javascript', view] };
  await page.route('**/*', (route) => {
    const [contentType, body] = bodies[new URL(route.request().url()).pathname] ?? [];
    return body === undefined ? route.abort() : route.fulfill({ contentType, body });
  });
  await page.goto(`${origin}/`);
  await page.locator('[data-test=timeline]').waitFor();
  return page;
}

async function measurePan(browser, profiling) {
  const page = await openPanel(browser, sampledProfile(), profiling);
  await page.locator('[data-test=all]').click();
  const box = await page.locator('[data-test=timeline]').boundingBox();
  const y = box.y + 40;
  await page.mouse.move(box.x + 700, y);
  await page.mouse.down();
  await page.waitForTimeout(500);
  await browser.startTracing(page, { categories: traceCategories });
  // To and fro by a tenth of the width, so that nearly all samples stay on screen.
  for (let move = 0; move < 240; move += 1) {
    await page.mouse.move(box.x + 700 + 60 * Math.sin(move / 9), y);
    await page.waitForTimeout(8);
  }
  const trace = JSON.parse((await browser.stopTracing()).toString());
  await page.mouse.up();
  await page.context().close();
  const { scriptAndLayout, allTasks } = framesOf(trace);
  const describe = (frames) => ({ numFrames: frames.length, p50Ms: percentile(frames.map(({ cpu }) => cpu), 0.5), p95Ms: percentile(frames.map(({ cpu }) => cpu), 0.95), maxMs: Math.max(...frames.map(({ cpu }) => cpu)), wallP95Ms: percentile(frames.map(({ wall }) => wall), 0.95) });
  return { scriptAndLayout: describe(scriptAndLayout), allTasks: describe(allTasks) };
}

/** From the file's text: reading, checking and summing up as the extension does, the message as text, and the panel until its next frame is painted. */
async function measureOpen(browser, profiling) {
  const { parseProfile, summarizeProfile } = profiling;
  const text = JSON.stringify(operatorProfile());
  const page = await openPanel(browser, base, profiling);
  const runs = [];
  for (let run = 0; run < 5; run += 1) {
    const startedMs = performance.now();
    const profile = parseProfile(text, 'bench');
    const parsedMs = performance.now();
    const summary = summarizeProfile(profile);
    const summedMs = performance.now();
    const message = JSON.stringify({ source: { kind: 'saved', name: `run ${run}` }, model: { state: 'none' }, profile: summary });
    const sentMs = performance.now();
    // What it takes to bring the text into the browser is this measurement's own; the clock in the page starts with the text at hand.
    await page.evaluate((whole) => (window.benchText = whole), message);
    const shownMs = await page.evaluate(async (name) => {
      const from = performance.now();
      window.profilerHost.emit('state', JSON.parse(window.benchText));
      const app = document.querySelector('glm-profiler');
      while (app.shadowRoot.querySelector('h1')?.textContent !== name || app.shadowRoot.querySelector('glm-operators')?.shadowRoot.querySelector('tbody tr') instanceof Element === false) {
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 0)));
      return performance.now() - from;
    }, `run ${run}`);
    runs.push({ parseMs: parsedMs - startedMs, sumMs: summedMs - parsedMs, serializeMs: sentMs - summedMs, panelMs: shownMs, totalMs: sentMs - startedMs + shownMs });
  }
  await page.context().close();
  const median = (of) => percentile(runs.map((run) => run[of]), 0.5);
  return { megabytes: text.length / 1e6, parseMs: median('parseMs'), sumMs: median('sumMs'), serializeMs: median('serializeMs'), panelMs: median('panelMs'), totalMs: median('totalMs'), worstMs: Math.max(...runs.map(({ totalMs }) => totalMs)) };
}

const loadBefore = loadavg()[0];
const browser = await launchBrowser();
try {
  const profiling = await loadProfiling();
  const pan = await measurePan(browser, profiling);
  const { scriptAndLayout: part, allTasks } = pan;
  say(`pan over ${numSamples.toLocaleString('en-US')} samples in 6 curves: script + layout per frame p50 ${part.p50Ms.toFixed(1)}, p95 ${part.p95Ms.toFixed(1)}, max ${part.maxMs.toFixed(1)} ms CPU (wall p95 ${part.wallP95Ms.toFixed(1)}); whole main thread p95 ${allTasks.p95Ms.toFixed(1)} ms; ${part.numFrames} frames (limit ${limits.frameMs} ms)`);
  const open = await measureOpen(browser, profiling);
  say(`open ${numSteps.toLocaleString('en-US')} steps × ${numNodes} operators (${open.megabytes.toFixed(0)} MB of JSON): ${open.totalMs.toFixed(0)} ms, of it ${open.parseMs.toFixed(0)} to read and check, ${open.sumMs.toFixed(0)} to sum up, ${open.serializeMs.toFixed(0)} to send, ${open.panelMs.toFixed(0)} in the panel; medians of 5, slowest ${open.worstMs.toFixed(0)} ms (limit ${limits.openMs} ms)`);
  say(`machine: ${cpus().length} × ${cpus()[0]?.model}, load ${loadBefore.toFixed(1)} before and ${loadavg()[0].toFixed(1)} after`);
  if (allTasks.p95Ms > limits.frameMs || open.totalMs > limits.openMs) {
    process.stderr.write('Over the limit.\n');
    process.exitCode = 1;
  }
} finally {
  await browser.close();
}
