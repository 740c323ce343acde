/** Prepared states of the view: what the host would hold at that moment. */

import type { DeviceId } from '../../../src/common/deviceId';
import type { LoadedModel } from '../../../src/common/protocol/engine';
import type { DeviceDescription, TelemetrySample } from '../../../src/common/protocol/monitor';
import type { ViewState } from '../../../src/common/protocol/webview';

const gib = 1024 ** 3;
const cuda = (index: number): DeviceId => `cuda:${index}` as DeviceId;
const cpu = 'cpu' as DeviceId;

export const codeAnswer = `Load the model with \`device_map="auto"\` and **move the inputs** to where the first layer is:

\`\`\`python
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

model_id = "THUDM/GLM-4-9B-0414"
tokenizer = AutoTokenizer.from_pretrained(model_id)
model = AutoModelForCausalLM.from_pretrained(model_id, torch_dtype=torch.bfloat16, device_map="auto")

inputs = tokenizer("Hello", return_tensors="pt").to(model.device)  # not on the CPU
output = model.generate(**inputs, max_new_tokens=64)
print(tokenizer.decode(output[0]))
\`\`\`

Why it matters:

1. \`generate()\` warns that *input_ids is on cpu, whereas the model is on cuda*.
2. Every step then copies over PCIe.
   - small at batch 1
   - larger with long prompts

| device | layers | memory |
|:--|--:|--:|
| cuda:0 | 0–19 | 9.4 GiB |
| cuda:1 | 20–39 | 9.4 GiB |

> The rest stays as it is. See the [documentation](https://huggingface.co/docs/accelerate).
`;

export const hostileAnswer = `<script>window.hacked = 1</script><img src=x onerror="window.hacked = 2">
<style>body { display: none }</style><svg onload="window.hacked = 3"><a href="javascript:window.hacked=4">x</a></svg>

[command](command:workbench.action.terminal.new) [vscode](vscode://file/etc/passwd) [js](javascript:window.hacked=5) [data](data:text/html,<script>window.hacked=6</script>)
[good](https://example.org/a?b=c) <https://example.org/auto> https://example.org/plain
![remote](https://example.org/pixel.png) ![data](data:image/svg+xml;base64,PHN2Zy8+)

<iframe src="https://example.org"></iframe> <form action="https://example.org"><input name="q"></form>
`;

/** Everything that is wider or longer than the view. */
export const wideAnswer = `One line without a space: ${'x'.repeat(400)} and an address https://example.org/${'path/'.repeat(40)}

| device | layers | weights | key and value cache | activations | staging | other processes | free | note |
|:--|--:|--:|--:|--:|--:|--:|--:|:--|
| cuda:0 | 0–19 | 9.4 GiB | 0.65 GiB | 0.6 GiB | 0.1 GiB | 2.1 GiB | 58.1 GiB | the first stage, with the embedding |
| cuda:1 | 20–39 | 9.4 GiB | 0.65 GiB | 0.6 GiB | 0.1 GiB | 3.2 GiB | 57.4 GiB | the last stage, with the head |

\`\`\`python
result = some_function_with_a_long_name(first_argument="${'a'.repeat(120)}", second_argument=[1, 2, 3])
${Array.from({ length: 70 }, (_, index) => `value_${index} = compute(value_${index}, "text", ${index})  # line ${index}`).join('\n')}
\`\`\`

$E = mc^2$ stays as it is, and so does ${'`an_inline_code_that_is_rather_long_and_has_no_place_to_break_' + 'y'.repeat(120)}\`.
`;

/** Right to left, Chinese, Japanese, and both directions in one paragraph. */
export const scriptsAnswer = `## العربية والعبرية

مرحبًا! يمكن تحميل النموذج على معالجين رسوميين باستخدام \`device_map="auto"\` ثم نقل المدخلات إلى الجهاز الأول.

- العنصر الأول
- العنصر الثاني مع **نص عريض**

שלום, אפשר לטעון את GLM-4 על שני מעבדים גרפיים.

> اقتباس قصير.

## 中文与日本語

显存被分成权重、键值缓存和激活三部分，每一部分都能单独看到。**这样就知道**哪些内存是我们自己用的，\`input_ids\` 必须在 cuda:0 上。

1. 先检查每一个偏移量。
2. 再规划各个阶段。

モデルは二枚のGPUに分けて読み込まれます。
`;

const loaded = (numGpus: number, extra: { readonly isDemo?: boolean; readonly name?: string; readonly thinks?: boolean; readonly hasChatTemplate?: boolean; readonly onCpu?: boolean } = {}): LoadedModel => {
  const devices = extra.onCpu ? [cpu] : Array.from({ length: numGpus }, (_, index) => cuda(index));
  const numLayers = 40;
  const memory = devices.map((device) => ({ device, weightBytes: Math.round((18.8 * gib) / devices.length), kvBytes: Math.round((1.3 * gib) / devices.length), activationBytes: 0.6 * gib, stagingBytes: 0 }));
  const stages = devices.map((device, stageIndex) => ({
    stageIndex,
    device,
    provider: extra.onCpu ? ('cpu' as const) : ('cuda' as const),
    firstLayer: (numLayers / devices.length) * stageIndex,
    endLayer: (numLayers / devices.length) * (stageIndex + 1),
    hasEmbedding: stageIndex === 0,
    hasHead: stageIndex === devices.length - 1,
    weightBytes: memory[stageIndex]?.weightBytes ?? 0,
    kvBytes: memory[stageIndex]?.kvBytes ?? 0,
    activationBytes: 0.6 * gib,
  }));
  return {
    description: {
      name: extra.name ?? 'GLM-4-9B-0414',
      folder: `/models/${extra.name ?? 'GLM-4-9B-0414'}`,
      architecture: 'glm4',
      numLayers,
      hiddenSize: 4096,
      intermediateSize: 13_696,
      numHeads: 32,
      numKvHeads: 2,
      headDim: 128,
      vocabSize: 151_552,
      maxContextTokens: 32_768,
      parameterCount: 9_400_000_000,
      fileDtype: 'bf16',
      fileBytes: 18.8 * gib,
      hasChatTemplate: extra.hasChatTemplate ?? true,
      eosTokenIds: [151_329],
      isDemo: extra.isDemo ?? false,
      thinks: extra.thinks ?? false,
    },
    plan: { stages, weightFormat: 'bf16', kvFormat: 'bf16', contextTokens: 32_768, largestContextTokens: 131_072, largestContextAsPlacedTokens: 98_304, warnings: [] },
    assignments: [],
    memory,
    weights: extra.isDemo ? 'int8' : 'bf16',
    kvCache: 'bf16',
    contextTokens: extra.isDemo ? 4096 : 32_768,
    maxBatch: 1,
    loadMs: 2200,
    runtimeVersion: '1.30.0',
  };
};

const devices = (numGpus: number): readonly DeviceDescription[] => [
  ...Array.from({ length: numGpus }, (_, index): DeviceDescription => ({ id: cuda(index), kind: 'cuda', name: 'NVIDIA H100 80GB HBM3', totalBytes: 79.6 * gib, freeBytes: 58 * gib, driverVersion: '580.95.05', source: 'NVML', notes: [] })),
  { id: cpu, kind: 'cpu', name: 'AMD EPYC 9354, 32 cores', totalBytes: 503 * gib, freeBytes: 470 * gib, source: 'os', notes: [] },
];

const sample = (numGpus: number, timeMs = 1_764_000_000_000): TelemetrySample => ({
  timeMs,
  devices: [
    ...Array.from({ length: numGpus }, (_, index) => ({
      id: cuda(index),
      utilizationPercent: 63 - 2 * index,
      usedBytes: (21.4 / Math.max(1, numGpus - 0.1) + 6.2 * (index + 1) * 0.5) * gib,
      totalBytes: 79.6 * gib,
      temperatureCelsius: 58 - index,
      powerWatts: 412 - 9 * index,
      powerLimitWatts: 700,
      smClockMhz: 1980,
      memoryClockMhz: 2619,
      pcieTxBytesPerSecond: 12_000_000,
      pcieRxBytesPerSecond: 40_000_000,
      processes: [{ pid: 4711, usedBytes: 2.1 * gib, name: 'python3' }],
    })),
    { id: cpu, utilizationPercent: 12, usedBytes: 33 * gib, totalBytes: 503 * gib, ownUtilizationPercent: 4, ownBytes: 1.1 * gib },
  ],
});

const answerFigures = { promptTokens: 1204, reusedTokens: 980, generatedTokens: 312, ttftMs: 38, decodeTokensPerSecond: 148.2, prefillTokensPerSecond: 14_800, stopReason: 'eos' } as const;
const question = (id: string, text: string) => ({ id, role: 'user', text }) as const;

const demoChoice = { source: '/ext/models/demo', label: 'GLM demo', detail: '8 M parameters, comes with the extension', isDemo: true };
const choices = [
  { source: '/models/GLM-4-9B-0414', label: 'GLM-4-9B-0414', detail: '18.8 GiB bf16 · /models/GLM-4-9B-0414', isDemo: false },
  { source: '/models/GLM-Z1-9B-0414', label: 'GLM-Z1-9B-0414', detail: '18.8 GiB bf16 · Hugging Face cache', isDemo: false },
  demoChoice,
];

const base: ViewState = {
  model: { kind: 'none' },
  devices: devices(2),
  recentSamples: [sample(2)],
  engineMemory: [],
  conversation: { id: 'c1', title: '', turns: [], updatedAtMs: 0 },
  history: [],
  settings: {
    systemPrompt: '',
    mode: 'chat',
    options: { doSample: true, temperature: 0.8, topK: 0, topP: 0.95, minP: 0, repetitionPenalty: 1, maxNewTokens: 1024, minNewTokens: 0, stopStrings: [], ignoreEos: false },
  },
  alignmentMessages: [],
  attachments: [],
  choices,
};

const readyModel = loaded(2);
const eightGpuModel = loaded(8);
const ready: ViewState = { ...base, model: { kind: 'ready', model: readyModel }, engineMemory: readyModel.memory, contextUsedTokens: 1234 };
const demoModel = loaded(0, { isDemo: true, name: 'GLM demo', onCpu: true });
const talk: ViewState = {
  ...ready,
  conversation: {
    id: 'c1',
    title: 'Device map',
    updatedAtMs: 1,
    turns: [question('q1', 'How do I load GLM-4 over two GPUs?'), { id: 'a1', role: 'assistant', text: codeAnswer, figures: answerFigures, modelName: 'GLM-4-9B-0414' }],
  },
};

const cudaOutOfMemory = {
  code: 'model-does-not-fit',
  name: 'ModelDoesNotFitError',
  message: 'GLM-4-9B-0414 needs 3.1 GiB more than cuda:0 has free. 21.4 GiB are in use by another process. Lower the context to 8,192 tokens, add a device, or free memory.',
  fields: { device: 'cuda:0', shortfallBytes: 3.1 * gib, largestContextTokens: 8192 },
  next: [{ label: 'Load with 8,192 tokens', command: 'glm.loadModel' }],
  stack: 'ModelDoesNotFitError: GLM-4-9B-0414 needs 3.1 GiB more\n    at planStages (src/devices/plan/planStages.ts:88:11)',
};
const engineKilled = {
  code: 'engine-exited',
  name: 'EngineExitedError',
  message: 'The engine process was ended by signal 9. The memory limit of its cgroup was reached (oom_kill went from 0 to 1).',
  fields: { signal: 'SIGKILL', pid: 4711, lastLogLines: ['loading layer 31 of 40', 'allocating KV cache: 1.3 GiB'] },
  next: [{ label: 'Diagnose', command: 'glm.diagnose' }],
};

export const scenarios = {
  empty: { ...base, conversation: { ...base.conversation } },
  'empty-demo': { ...base, devices: devices(0), recentSamples: [sample(0)], model: { kind: 'ready', model: demoModel }, engineMemory: demoModel.memory.map((use) => ({ ...use, weightBytes: 0.03 * gib, kvBytes: 0.01 * gib, activationBytes: undefined })), choices: [demoChoice], contextUsedTokens: 0 },
  loading: {
    ...base,
    model: { kind: 'loading', name: 'GLM-4-9B-0414', plan: readyModel.plan, progress: { phase: 'loading', device: cuda(1), doneBytes: 11.2 * gib, totalBytes: 18.8 * gib, remainingMs: 4200 } },
    engineMemory: readyModel.memory.map((use) => ({ ...use, weightBytes: use.weightBytes * 0.6, kvBytes: 0, activationBytes: undefined })),
  },
  failed: { ...base, model: { kind: 'failed', name: 'GLM-4-9B-0414', error: cudaOutOfMemory } },
  lost: { ...talk, model: { kind: 'lost', name: 'GLM-4-9B-0414', error: engineKilled }, engineMemory: [] },
  'not-responding': { ...talk, model: { kind: 'ready', model: readyModel, notRespondingForMs: 7000 } },
  chat: talk,
  hostile: { ...talk, conversation: { ...talk.conversation, turns: [question('q1', '<b>not bold</b> <script>window.hacked = 9</script>'), { id: 'a1', role: 'assistant', text: hostileAnswer, figures: answerFigures }] } },
  error: {
    ...talk,
    conversation: {
      ...talk.conversation,
      turns: [...talk.conversation.turns, question('q2', 'Go on'), { id: 'a2', role: 'assistant', text: 'The next step is to', error: engineKilled, figures: { ...answerFigures, generatedTokens: 5, stopReason: 'engine-lost' } }],
    },
  },
  alignment: {
    ...talk,
    alignmentMessages: [
      {
        kind: 'host-bound-inputs',
        key: 'k1',
        message: "`input_ids` is on cpu, whereas the model's first stage is on cuda:0. It is now written on the device.",
        tensor: 'input_ids',
        bytesPerToken: 4,
        costMsPerToken: 0.031,
        state: 'fixed',
        next: [{ label: 'What is this?', url: 'https://example.org/alignment' }],
      },
      { kind: 'memory-taken', key: 'k2', message: 'Another process took 21.4 GiB of cuda:1 since the plan was made.', state: 'found', next: [{ label: 'Plan again', command: 'glm.loadModel' }] },
    ],
  },
  prefill: {
    ...talk,
    conversation: { ...talk.conversation, turns: [...talk.conversation.turns, question('q2', 'Summarise the attached file'), { id: 'a2', role: 'assistant', text: '' }] },
    generation: { turnId: 'a2', prefillDoneTokens: 12_288, prefillTotalTokens: 24_576 },
    attachments: [],
    contextUsedTokens: 30_100,
  },
  thinking: {
    ...ready,
    model: { kind: 'ready', model: loaded(2, { name: 'GLM-Z1-9B-0414', thinks: true }) },
    conversation: {
      id: 'c1',
      title: '',
      updatedAtMs: 1,
      turns: [
        question('q1', 'Is 97 prime?'),
        { id: 'a1', role: 'assistant', thinking: 'Check small divisors: 2, 3, 5, 7.\n\n97 / 7 = 13.86, and 11² > 97.', text: '**Yes**, 97 is prime: no prime up to √97 ≈ 9.8 divides it.', figures: answerFigures },
        question('q2', 'And 91?'),
        { id: 'a2', role: 'assistant', text: '', thinking: 'Let me test the divisors again. 91 is odd, its digits sum to 10, so 3 does not divide it. 7 × 13 = 91' },
      ],
    },
    generation: { turnId: 'a2' },
  },
  attachments: { ...talk, attachments: [{ name: 'train.py', languageId: 'python', text: 'import torch\n' }, { name: 'a_rather_long_file_name_that_must_be_cut.ipynb', text: '{}' }] },
  history: {
    ...talk,
    history: [
      { id: 'c1', title: 'Device map', updatedAtMs: 1 },
      ...Array.from({ length: 9 }, (_, index) => ({ id: `h${index}`, title: ['Why is my GPU idle?', '解释一下注意力机制', 'Quantisation and speed on two GPUs, compared with bf16 and with the CPU', 'Tokenizer oddities'][index % 4] ?? '', updatedAtMs: index * 1000 })),
    ],
  },
  lostDevice: { ...talk, recentSamples: [{ ...sample(2), devices: sample(2).devices.map((device) => (device.id === cuda(1) ? { id: cuda(1), lost: 'cuda:1 stopped answering: NVML reports GPU is lost (Xid 79).' } : device)) }] },
  unknownReadings: { ...talk, recentSamples: [{ timeMs: 1, devices: [{ id: cuda(0) }, { id: cuda(1), totalBytes: 79.6 * gib }] }] },
  wide: { ...talk, conversation: { ...talk.conversation, turns: [question('q1', `Explain this line: ${'z'.repeat(300)}`), { id: 'a1', role: 'assistant', text: wideAnswer, figures: answerFigures }] } },
  scripts: { ...talk, conversation: { ...talk.conversation, turns: [question('q1', 'كيف أحمّل GLM-4 على بطاقتين؟'), { id: 'a1', role: 'assistant', text: scriptsAnswer, figures: answerFigures }, question('q2', '请用中文解释一下')] } },
  'eight-devices': { ...talk, model: { kind: 'ready', model: eightGpuModel }, devices: devices(8), recentSamples: [sample(8)], engineMemory: eightGpuModel.memory },
  base: { ...ready, model: { kind: 'ready', model: loaded(1, { name: 'GLM-4-9B-base', hasChatTemplate: false }) }, settings: { ...base.settings, mode: 'completion' } },
} satisfies Record<string, ViewState>;

export type ScenarioName = keyof typeof scenarios;
