/** Loading: `from_pretrained` and its relatives, and the wrappers that hand a model on. */
import type { CallSite } from '../calls';
import { deviceMapsOf, deviceOf } from '../devices';
import { notePlacementNames } from '../guards';
import { perhaps } from '../perhapsModel';
import { optionsOf, stringOf, unknown, type DeviceMap, type ModelLibrary, type ModelObject, type RefValue, type Value } from '../values';

/** Where a class comes from decides how far its models behave like those of transformers. */
export function libraryOf(path: string): ModelLibrary | undefined {
  const [root = '', second = ''] = path.split('.');
  if (/^(ipex_llm|bigdl|intel_extension_for_transformers|optimum|openvino|openvino_genai|neural_compressor|auto_round|ctranslate2|onnxruntime|petals|airllm|deepsparse|intel_npu_acceleration_library|transformer_lens)$/.test(root)) {
    return root === 'optimum' && second === 'gptq' ? 'transformers' : 'foreign';
  }
  if (/^(diffusers|sentence_transformers|tensorflow|flax|vllm|mlx_lm|mlx_vlm|ctransformers|llama_cpp|timm|open_clip|spacy|keras_nlp|nemo|FlagEmbedding|fairseq|TTS|llamafactory|sglang|lmdeploy|xtuner|mamba_ssm|xfastertransformer)$/.test(root)) {
    return undefined;
  }
  if (/^(awq|hqq|auto_gptq|gptqmodel|unsloth)$/.test(root)) {
    return 'awq';
  }
  const isPublished = /^(transformers|peft|trl|modelscope|adapters|accelerate|local|builtins)$/.test(root);
  return isPublished || likeThoseOfTransformers.test(path) ? 'transformers' : 'unseen';
}

/** Names that classes have which derive from those of transformers, wherever they stand. */
const likeThoseOfTransformers = /(AutoModel\w*|AutoPeft\w*|For[A-Z]\w*|LMHeadModel\w*|PreTrained\w*|ChatModel)$/;

const tokenizerClass = /(Tokenizer|TokenizerFast|TokenizerBase|PreTrainedTokenizer)$/;
const processorClass = /(Processor|FeatureExtractor|ImageProcessorFast)$/;
const notModelClass = /(Config|Pipeline|Scheduler|Dataset|Embeddings?|Collator|VAE|Vae|Retriever|Cache|Args|Arguments|Streamer)$/;
const modelClass = /(Model|LM|ForCausalLM|LMHeadModel|For[A-Z]\w*|AutoModel\w*|Llama|Transformer|GPT\w*|T5\w*|Medusa\w*)$/;

/** `Class.from_pretrained(…)`, `.from_quantized(…)`, `.from_config(…)`. */
export function loadPretrained(site: CallSite, classPath: string): Value {
  const { interpreter, call, args } = site;
  const className = classPath.split('.').at(-1) ?? '';
  if (tokenizerClass.test(className) || processorClass.test(className)) {
    return interpreter.allocate({ kind: 'tokenizer', origin: call, paddingSide: args.keywords.get('padding_side')?.value });
  }
  const library = libraryOf(classPath);
  if (/^(TF|Flax|OV)[A-Z]/.test(className) || library === undefined || notModelClass.test(className)) {
    return /^(OV)[A-Z]/.test(className) ? model(site, 'foreign') : unknown;
  }
  if (className === 'FastLanguageModel' || className === 'FastModel' || className === 'FastVisionModel') {
    return { kind: 'tuple', items: [model(site, 'awq'), interpreter.allocate({ kind: 'tokenizer', origin: call })] };
  }
  // PeftModel.from_pretrained(model, …) and its like wrap the model they are given.
  const wrapped = args.positional[0]?.value ?? args.keywords.get('model')?.value;
  if (wrapped && interpreter.modelsIn(wrapped).length > 0) {
    // With a device of its own it may place what it wraps anew.
    const map = args.keywords.get('device_map')?.value;
    const others = deviceMapsOf(interpreter, map).filter(({ kind }) => kind === 'single');
    interpreter.modelsIn(wrapped).forEach(({ ref, model: object }) => others.length > 0 && interpreter.update(ref, { ...object, deviceMaps: [...object.deviceMaps, ...others] }));
    return wrapped;
  }
  if (/^(PeftModel\w*|Swift|LoraModel)$/.test(className)) {
    return unknown;
  }
  const hasModelArguments = ['device_map', 'torch_dtype', 'load_in_8bit', 'load_in_4bit', 'quantization_config', 'low_cpu_mem_usage', 'attn_implementation'].some((name) => args.keywords.has(name));
  return modelClass.test(className) || hasModelArguments ? model(site, library) : unknown;
}

/** A model from a class that cannot be seen: the arguments must give it away. */
export function loadUnknownClass(site: CallSite): Value {
  const { args } = site;
  return ['device_map', 'torch_dtype', 'load_in_8bit', 'load_in_4bit', 'quantization_config'].some((name) => args.keywords.has(name) || mappedArgument(site, name) !== undefined) ? model(site, 'unseen') : unknown;
}

const placementSettings = ['device_map', 'quantization_config', 'load_in_8bit', 'load_in_4bit'];

function model(site: CallSite, library: ModelLibrary): RefValue {
  const { interpreter, call, args } = site;
  const argument = (name: string): Value | undefined => args.keywords.get(name)?.value ?? mappedArgument(site, name);
  placementSettings.forEach((name) => notePlacementNames(interpreter, args.keywords.get(name)?.expr));
  const hasOpaqueMapping = args.mappings.some(({ value }) => interpreter.object(value)?.kind !== 'dict');
  const map = argument('device_map');
  const device = map === undefined ? argument('device') : undefined;
  const mapped: readonly DeviceMap[] = map === undefined && hasOpaqueMapping ? [{ kind: 'unknown' }] : deviceMapsOf(interpreter, map);
  const hasOneGpu = interpreter.hasOneGpu || grantsOneGpu(site, argument('max_memory'));
  // AutoGPTQ and its like take `device="cuda:0"`.
  const deviceMaps: readonly DeviceMap[] = device ? [{ kind: 'single', device: deviceOf(device) ?? { kind: 'unknown' } }] : mapped.map((one) => (one.kind === 'multi' && hasOneGpu ? { ...one, hasOneGpu } : one));
  const object: ModelObject = { kind: 'model', origin: call, loadedSince: interpreter.tick(), library: isQuantizedByGptq(site, argument('quantization_config')) ? 'gptq' : library, deviceMaps, quantized: quantizedBy(site, argument), isPerhapsPlain: isMadeOnSomePaths(site, argument('quantization_config')), placements: ['unplaced'], isForHost: interpreter.hostDepth > 0, isOfModule: site.frame.kind === 'module' };
  const ref = interpreter.allocate(object);
  interpreter.facts.finalModels.set(ref.id, object);
  interpreter.facts.happenings.push({ kind: 'other-work', event: interpreter.tick() });
  const choosesDtype = ['dtype', 'torch_dtype', 'quantization_config', 'load_in_4bit', 'load_in_8bit'].some((name) => argument(name) !== undefined);
  if (interpreter.isRecording && !choosesDtype && !hasOpaqueMapping && library === 'transformers') {
    interpreter.facts.plainLoads.push({ call, modelId: ref.id });
  }
  return ref;
}

/** `max_memory={0: "10GiB", "cpu": "64GiB"}` */
function grantsOneGpu({ interpreter }: CallSite, limits: Value | undefined): boolean {
  const object = limits && interpreter.object(limits);
  return object?.kind === 'dict' && object.rest === undefined && [...object.entries.keys()].filter((device) => device !== 'cpu' && device !== 'disk').join() === '0';
}

/** `GPTQConfig(bits=4, dataset="c4")`: its documentation has the model moved before it is saved. */
function isQuantizedByGptq({ interpreter }: CallSite, config: Value | undefined): boolean {
  return config !== undefined && optionsOf(config).some((option) => {
    const object = interpreter.object(option);
    return object?.kind === 'dict' && object.entries.has('bits');
  });
}

/** `load_pretrained_model(path, device_map="auto")` of another file: whatever else it returns, a model with this map is among it. */
export function perhapsLoadedModel(site: CallSite, path = ''): Value | undefined {
  return site.args.keywords.has('device_map') && libraryOf(path) !== undefined ? perhaps(model(site, 'unseen')) : undefined;
}

/** A keyword that reaches the call through `**model_args`. */
function mappedArgument(site: CallSite, name: string): Value | undefined {
  for (const { value } of site.args.mappings) {
    const object = site.interpreter.object(value);
    const found = object?.kind === 'dict' ? object.entries.get(name) : undefined;
    if (found) {
      return found;
    }
  }
  return undefined;
}

/** Whether bitsandbytes loads it in 4 or 8 bit, on each path. */
function quantizedBy(site: CallSite, argument: (name: string) => Value | undefined): readonly boolean[] {
  const isTrue = (value: Value | undefined): boolean => value?.kind === 'const' && value.value === true && !value.fromDefault;
  if (isTrue(argument('load_in_4bit')) || isTrue(argument('load_in_8bit'))) {
    return [true];
  }
  const config = argument('quantization_config');
  if (!config) {
    return [false];
  }
  return optionsOf(config).map((option) => {
    const object = site.interpreter.object(option);
    return object?.kind === 'dict' && (isTrue(object.entries.get('load_in_4bit')) || isTrue(object.entries.get('load_in_8bit')));
  });
}

/** `config = None`, and `if four_bit: config = BitsAndBytesConfig(…)`: elsewhere it stays None. */
function isMadeOnSomePaths({ interpreter }: CallSite, config: Value | undefined): boolean {
  return config !== undefined && optionsOf(config).some((option) => {
    const object = interpreter.object(option);
    return object?.kind === 'dict' && object.madeIn !== undefined && !interpreter.branches.includes(object.madeIn);
  });
}

/** Functions that return the model they are given, perhaps wrapped. */
const passThrough = new Set([
  'get_peft_model', 'prepare_model_for_kbit_training', 'prepare_model_for_int8_training', 'prepare_model_for_training', 'compile',
  'for_inference', 'transform', 'quantize_model', 'optimize', 'ipex_optimize', 'simple_dispatch_model', 'prepare_model', 'cast', 'PeftModelForCausalLM', 'PeftModel', 'convert',
]);

/** Wrappers that copy the inputs to the device of the model themselves. */
const scattering = new Set(['DataParallel', 'DistributedDataParallel', 'DDP']);

/** A library function given a model; undefined when it is none that hands it on. */
export function passModelOn(site: CallSite, path: string): Value | undefined {
  const { interpreter, args } = site;
  const name = path.split('.').at(-1) ?? '';
  const given = args.positional[0]?.value ?? args.keywords.get('model')?.value;
  const isDispatch = name === 'dispatch_model' || name === 'load_checkpoint_and_dispatch';
  if (!given || (interpreter.modelsIn(given).length === 0 && !isDispatch)) {
    return undefined;
  }
  if (isDispatch) {
    const map = args.keywords.get('device_map')?.value ?? args.positional[name === 'dispatch_model' ? 1 : 2]?.value;
    const deviceMaps = deviceMapsOf(interpreter, map);
    // The empty model it fills was made in a way that need not be visible (`MyModel(config)`).
    const dispatched = interpreter.modelsIn(given).length > 0 ? given : model(site, 'unseen');
    interpreter.modelsIn(dispatched).forEach(({ ref, model: object }) => interpreter.update(ref, { ...object, deviceMaps }));
    return dispatched;
  }
  if (scattering.has(name)) {
    interpreter.modelsIn(given).forEach(({ ref, model: object }) => interpreter.update(ref, { ...object, scattersInputs: true }));
    return given;
  }
  return passThrough.has(name) ? given : undefined;
}

/** `pipeline(…)`: moves its inputs itself. */
export function createPipeline(site: CallSite): Value {
  const { interpreter, args } = site;
  const given = args.keywords.get('model')?.value ?? args.positional[1]?.value;
  const known = given && interpreter.modelsIn(given).length > 0 ? given : undefined;
  const tokenizer = args.keywords.get('tokenizer')?.value ?? interpreter.allocate({ kind: 'tokenizer', origin: site.call });
  const isText = known !== undefined || stringOf(args.positional[0]?.value) !== undefined;
  return isText ? interpreter.allocate({ kind: 'pipeline', model: known ?? unknown, tokenizer }) : unknown;
}
