/**
 * Recognises what transformers, accelerate, PyTorch and ONNX Runtime print, so that a pasted line or a terminal leads to the rule's page.
 *
 * Texts are matched by their fixed words; devices and names in them are read out where they help to find the line.
 */
import type { RulePage } from './rules/rule';
import { findRule } from './rules/registry';
import { ruleUrl } from './ruleUrl';

export interface LibraryMessage {
  readonly id: string;
  readonly library: 'transformers' | 'PyTorch' | 'accelerate' | 'bitsandbytes' | 'ONNX Runtime';
  /** What it means, and what to do, in one or two sentences each. */
  readonly meaning: string;
  readonly advice: string;
  /** Rules whose findings cause it, the likeliest first; none for messages of our own engine's runtime. */
  readonly rules: readonly string[];
}

export interface RecognizedMessage extends LibraryMessage {
  /** Where in the text the recognised words stand. */
  readonly start: number;
  readonly end: number;
  /** Devices the message names, as printed. */
  readonly devices: readonly string[];
  /** Page to open: the first rule's, or the list of common problems. */
  readonly url: string;
}

interface Pattern extends LibraryMessage {
  readonly pattern: RegExp;
}

const device = String.raw`(?:cpu|cuda|mps|xpu|meta|npu|hpu)(?::\d+)?`;

const patterns: readonly Pattern[] = [
  {
    id: 'generate-device-mismatch',
    library: 'transformers',
    pattern: /You are calling \.generate\(\) with the `?input_ids`? being on a device type different than your model['’]s device\.(?:[^\n]{0,80}is on (\w+), whereas the model is on (\w+))?/,
    meaning: 'The tokenizer’s tensors were handed to generate() where they were created, and the model lies elsewhere. Every step copies them.',
    advice: 'Append .to(model.device) to the call that creates the inputs.',
    rules: ['GLM101', 'GLM102'],
  },
  {
    id: 'two-devices',
    library: 'PyTorch',
    pattern: new RegExp(String.raw`Expected all tensors to be on the same device, but (?:found at least two devices, (${device})(?: and |, )(${device})|got \w+ is on (${device}), different from other tensors on (${device}))|Expected object of device type (${device}) but got device type (${device}) for argument|[Tt]ensor on device (${device}) is not on the expected device (${device})|indices should be either on (${device}) or on the same device as the indexed tensor \((${device})\)`),
    meaning: 'One operation got tensors from two devices: inputs that were not moved, or only some of them.',
    advice: 'Move every tensor of the call to model.device; look for an attention_mask or position_ids that was forgotten, or for a literal "cuda:0" beside a device_map.',
    rules: ['GLM106', 'GLM101', 'GLM103', 'GLM105', 'GLM102'],
  },
  {
    id: 'input-and-weight-devices',
    library: 'PyTorch',
    // A difference of dtype alone (FloatTensor against HalfTensor) is another problem.
    pattern: /Input type \((?:torch\.(?:cuda|mps|xpu)\.\w+\) and weight type \(torch\.(?!cuda|mps|xpu)|torch\.(?!cuda|mps|xpu)\w+\) and weight type \(torch\.(?:cuda|mps|xpu)\.)\w+\) should be the same|Placeholder storage has not been allocated on MPS device/,
    meaning: 'A layer got its input on one device while its weights lie on another: the inputs or the model were not moved.',
    advice: 'Move the inputs to model.device.',
    rules: ['GLM101', 'GLM106', 'GLM102'],
  },
  {
    id: 'moving-hooked-model',
    library: 'accelerate',
    pattern: /You shouldn['’]t move a model (?:that is dispatched using accelerate hooks|when it is dispatched on multiple devices)/,
    meaning: 'device_map has placed the layers, and a later .to() or .cuda() tries to move them again.',
    advice: 'Delete the move; the model is where it belongs.',
    rules: ['GLM104'],
  },
  {
    id: 'moving-offloaded-model',
    library: 'accelerate',
    pattern: /You can['’]t move a model that has some modules offloaded to cpu or disk/,
    meaning: 'Some layers did not fit on the GPUs and were offloaded; such a model cannot be moved as a whole.',
    advice: 'Delete the .to() or .cuda() after from_pretrained(…, device_map=…).',
    rules: ['GLM104'],
  },
  {
    id: 'parameters-on-meta',
    library: 'accelerate',
    pattern: /Some parameters are on the meta device(?: \(?device\)?)? because they were offloaded to the (?:cpu|disk)(?: and (?:disk|cpu))?/,
    meaning: 'The model does not fit on the GPUs: layers stay on the CPU or on disk and are copied in at every step.',
    advice: 'Load in a smaller dtype or quantized, or accept the speed; and take inputs to model.device, not to a literal device.',
    rules: ['GLM103', 'GLM104', 'GLM302'],
  },
  {
    id: 'moving-bitsandbytes-model',
    library: 'bitsandbytes',
    pattern: /(?:`?\.(?:to|cuda)`?|Calling `?(?:to|cuda)\(\)`?) is not supported for `?(?:4-bit|8-bit)`?(?: or `?8-bit`?)? (?:bitsandbytes |quantized )?models/,
    meaning: 'bitsandbytes has placed and cast the 4-bit or 8-bit model already.',
    advice: 'Delete the .to() or .cuda() on the model.',
    rules: ['GLM104'],
  },
  {
    id: 'provider-not-available',
    library: 'ONNX Runtime',
    pattern: /Specified provider '(\w+)' is not in available provider names/,
    meaning: 'This build of ONNX Runtime has no such execution provider: it runs on the CPU instead.',
    advice: 'Install the GPU build (onnxruntime-gpu), or remove the provider from the list.',
    rules: [],
  },
  {
    id: 'cuda-provider-failed',
    library: 'ONNX Runtime',
    pattern: /Failed to create CUDAExecutionProvider\./,
    meaning: 'The CUDA provider was found but its libraries were not: CUDA or cuDNN is missing, or of another version.',
    advice: 'Install the CUDA and cuDNN versions that the message names, or run "GLM: Set Up CUDA".',
    rules: [],
  },
  {
    id: 'nodes-not-on-provider',
    library: 'ONNX Runtime',
    pattern: /Some nodes were not assigned to the preferred execution providers/,
    meaning: 'Some operators run on the CPU although a GPU provider was asked for.',
    advice: 'Shape computations belong there; anything else costs a copy in each direction. A verbose session log names the nodes.',
    rules: [],
  },
  {
    id: 'memcpy-nodes',
    library: 'ONNX Runtime',
    pattern: /(\d+) Memcpy nodes are added to the graph (\S+?) for (\w+)/,
    meaning: 'Data crosses between CPU and GPU inside the graph, and a CUDA graph cannot be captured.',
    advice: 'Find the operators that fell back to the CPU and give them a supported type.',
    rules: [],
  },
];

/**
 * What stands between the words of a message without being part of it: blanks and line ends (one-line boxes drop pasted ones without a trace), colours,
 * also where copying has lost or spelled out their escape character, the frame of a traceback, and backslashes before quotes.
 */
const between = /\s+|(?:\x1b|\\x1b|\\u001b|\\033|\\e)?\[\d{0,3}(?:;\d{0,3})*[mK]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[│┃║▏▕╎]|\\[nrt](?![a-z])|\\(?=['"`’])/g;

/** The words without what stands between them, and where each character stood. */
function squeeze(text: string): { readonly words: string; readonly offsets: readonly number[] } {
  const offsets: number[] = [];
  let words = '';
  let start = 0;
  const keep = (end: number): void => {
    words += text.slice(start, end);
    for (let offset = start; offset < end; offset++) {
      offsets.push(offset);
    }
  };
  for (const gap of text.matchAll(between)) {
    keep(gap.index);
    start = gap.index + gap[0].length;
  }
  keep(text.length);
  return { words, offsets };
}

/** The patterns as they read without blanks. */
const squeezedPatterns = patterns.map(({ pattern, ...message }) => ({ message, pattern: new RegExp(pattern.source.replaceAll(' ', ''), pattern.flags) }));

/** Every known message in a text, in order of position. */
export function recognizeMessages(text: string): readonly RecognizedMessage[] {
  const { words, offsets } = squeeze(text);
  const found = squeezedPatterns.flatMap(({ pattern, message }): RecognizedMessage[] => {
    const match = pattern.exec(words);
    if (!match) {
      return [];
    }
    const devices = match.slice(1).filter((group) => group !== undefined && new RegExp(`^${device}$`).test(group));
    const at = (index: number): number => offsets[index] ?? text.length;
    return [{ ...message, start: at(match.index), end: at(match.index + match[0].length - 1) + 1, devices, url: pageOf(message) }];
  });
  return found.sort((a, b) => a.start - b.start);
}

function pageOf(message: LibraryMessage): string {
  return ruleUrl(message.rules[0]);
}

/** The page of the likeliest rule, for a hover or a document. */
export function pageFor(message: LibraryMessage, language: 'en' | 'zh'): RulePage | undefined {
  const [code] = message.rules;
  return code === undefined ? undefined : findRule(code)?.pages[language];
}
