// One measured run of llama.cpp through node-llama-cpp: node runPeer.mjs MODEL.gguf PROMPT_TOKENS NEW_TOKENS THREADS VOCAB
// Prints one JSON line. Runs inside the temporary folder that has node-llama-cpp installed.
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

const [modelPath, promptTokens, newTokens, threads, vocab] = [process.argv[2], ...process.argv.slice(3).map(Number)];
const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: LlamaLogLevel.error });
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({ contextSize: promptTokens + newTokens + 8, batchSize: 512, threads });
const sequence = context.getSequence();
const prompt = Array.from({ length: promptTokens }, (_, i) => (i * 7919 + 13) % vocab);

async function once() {
  await sequence.clearHistory();
  const started = performance.now();
  let first = 0;
  let last = 0;
  let count = 0;
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogTokens: true })) {
    last = performance.now();
    first ||= last;
    count += 1;
    if (count === newTokens) break;
  }
  return { ttftMs: first - started, tpotMs: (last - first) / (count - 1), count };
}

await once();
const run = await once();
process.stdout.write(
  `${JSON.stringify({ prefillTokensPerSecond: (promptTokens / run.ttftMs) * 1000, decodeTokensPerSecond: 1000 / run.tpotMs, generated: run.count, peakResidentBytes: process.resourceUsage().maxRSS * 1024 })}\n`,
);
process.exit(0);
