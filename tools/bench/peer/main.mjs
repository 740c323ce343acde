// `npm run bench:peer`: our CPU engine against llama.cpp (through node-llama-cpp), alternately, on the same random-weight shape and prompt length.
// Options: --repeats N (5), --prompt N (128), --new N (64), --threads N (2), --keep (keeps the temporary folder; the next run reuses it through GLM_PEER_FOLDER).
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeGguf } from './gguf.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, '..', '..', '..');
const option = (name, fallback) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : Number(process.argv[at + 1]);
};
const repeats = option('repeats', 5);
const promptTokens = option('prompt', 128);
const newTokens = option('new', 64);
const threads = option('threads', 2);

/** The shape of glm-edge-1.5b. The peer's graph is llama.cpp's glm4 (two more norms a layer, under 0.1 % of the work). */
const shape = { name: 'edge-1.5b', hidden: 2048, intermediate: 6144, layers: 28, heads: 16, kvHeads: 4, headDim: 128, rotaryDim: 128, vocab: 59264 };

const folder = process.env.GLM_PEER_FOLDER ?? mkdtempSync(join(tmpdir(), 'glm-peer-'));
mkdirSync(folder, { recursive: true });

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')} failed (${result.status ?? result.signal}):\n${result.stderr}\n${result.stdout}`);
  return result.stdout;
}

function lastJson(text) {
  const line = text.trim().split('\n').reverse().find((entry) => entry.startsWith('{'));
  if (line === undefined) throw new Error(`no JSON in:\n${text}`);
  return JSON.parse(line);
}

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const row = (name, values) => `| ${name} | ${median(values).toFixed(1)} | ${Math.min(...values).toFixed(1)} | ${Math.max(...values).toFixed(1)} |`;

try {
  if (!existsSync(join(folder, 'node_modules', 'node-llama-cpp'))) {
    writeFileSync(join(folder, 'package.json'), '{"private":true,"type":"module"}');
    process.stdout.write('installing node-llama-cpp into a temporary folder …\n');
    run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', 'node-llama-cpp@3.22.1'], { cwd: folder });
  }
  cpSync(join(here, 'runPeer.mjs'), join(folder, 'runPeer.mjs'));
  const gguf = join(folder, 'peer.gguf');
  if (!existsSync(gguf)) writeGguf(gguf, shape);
  const checkpoint = join(folder, 'checkpoint');
  const glm = join(root, 'dist', 'cli.js');
  if (!existsSync(glm)) run(process.execPath, [join(root, 'tools', 'build.mjs')]);
  if (!existsSync(join(checkpoint, 'config.json'))) run(process.execPath, [glm, 'make-checkpoint', '--shape', 'edge-1.5b', '--out', checkpoint]);
  const ids = Array.from({ length: promptTokens }, (_, i) => (i * 7919 + 13) % shape.vocab).join(',');
  const ours = () =>
    lastJson(
      run(process.execPath, [glm, 'generate', '--json', '--model', checkpoint, '--ids', ids, '--provider', 'cpu', '--weights', 'int4', '--threads', String(threads), '--context', String(promptTokens + newTokens + 8), '--max-new-tokens', String(newTokens), '--min-new-tokens', String(newTokens), '--ignore-eos', '--cache-folder', join(folder, 'cache')]),
    );
  const theirs = () => lastJson(run(process.execPath, ['runPeer.mjs', gguf, String(promptTokens), String(newTokens), String(threads), String(shape.vocab)], { cwd: folder }));
  ours();
  theirs();
  const samples = { ours: [], theirs: [] };
  for (let repeat = 0; repeat < repeats; repeat += 1) {
    samples.ours.push(ours());
    samples.theirs.push(theirs());
    process.stdout.write(`run ${repeat + 1} of ${repeats}: ours ${samples.ours[repeat].decodeTokensPerSecond.toFixed(1)}, llama.cpp ${samples.theirs[repeat].decodeTokensPerSecond.toFixed(1)} tok/s decode\n`);
  }
  const pick = (side, key) => samples[side].map((sample) => sample[key]);
  process.stdout.write(
    [
      '',
      `${cpus()[0]?.model ?? 'CPU'}, ${threads} threads, shape ${shape.name}, prompt ${promptTokens}, ${newTokens} new tokens, ${repeats} runs each, alternately`,
      '| tok/s | median | min | max |',
      '|---|---|---|---|',
      row('GLM Local int4, prefill', pick('ours', 'prefillTokensPerSecond')),
      row('llama.cpp Q4_0, prefill', pick('theirs', 'prefillTokensPerSecond')),
      row('GLM Local int4, decode', pick('ours', 'decodeTokensPerSecond')),
      row('llama.cpp Q4_0, decode', pick('theirs', 'decodeTokensPerSecond')),
      '',
    ].join('\n'),
  );
} finally {
  if (!process.argv.includes('--keep') && process.env.GLM_PEER_FOLDER === undefined) rmSync(folder, { recursive: true, force: true });
}
