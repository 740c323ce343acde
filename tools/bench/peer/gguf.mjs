// Writes a GGUF file with random Q4_0 weights in the shape of a GLM-4 model, for comparing speed; its text is noise.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md ; Q4_0 is a f16 scale and 32 nibbles (18 bytes a block).
import { closeSync, openSync, writeSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';

const valueType = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9, bool: 7 };
const tensorType = { f32: 0, q4_0: 2 };
const alignment = 32;

/** Grows as it is written to. */
class Bytes {
  parts = [];
  length = 0;
  push(buffer) {
    this.parts.push(buffer);
    this.length += buffer.length;
  }
  u32(value) {
    const buffer = Buffer.alloc(4);
    buffer.writeUInt32LE(value);
    this.push(buffer);
  }
  u64(value) {
    const buffer = Buffer.alloc(8);
    buffer.writeBigUInt64LE(BigInt(value));
    this.push(buffer);
  }
  f32(value) {
    const buffer = Buffer.alloc(4);
    buffer.writeFloatLE(value);
    this.push(buffer);
  }
  text(value) {
    const buffer = Buffer.from(value, 'utf8');
    this.u64(buffer.length);
    this.push(buffer);
  }
  concat() {
    return Buffer.concat(this.parts, this.length);
  }
}

function writeValue(bytes, value) {
  if (typeof value === 'string') {
    bytes.u32(valueType.string);
    bytes.text(value);
  } else if (typeof value === 'boolean') {
    bytes.u32(valueType.bool);
    bytes.push(Buffer.from([value ? 1 : 0]));
  } else if (Array.isArray(value)) {
    bytes.u32(valueType.array);
    const strings = typeof value[0] === 'string';
    bytes.u32(strings ? valueType.string : valueType.int32);
    bytes.u64(value.length);
    for (const item of value) {
      if (strings) bytes.text(item);
      else bytes.u32(item);
    }
  } else if (typeof value === 'object') {
    bytes.u32(valueType.float32);
    bytes.f32(value.f32);
  } else {
    bytes.u32(valueType.uint32);
    bytes.u32(value);
  }
}

/** GGUF names and shapes (fastest dimension first) of the glm4 architecture in llama.cpp. */
function tensorsOf(shape) {
  const { hidden, intermediate, layers, heads, kvHeads, headDim, vocab } = shape;
  const matrix = (name, columns, rows) => ({ name, dims: [columns, rows], type: 'q4_0' });
  const vector = (name, length, value) => ({ name, dims: [length], type: 'f32', value });
  const out = [matrix('token_embd.weight', hidden, vocab)];
  for (let layer = 0; layer < layers; layer += 1) {
    const p = `blk.${layer}.`;
    out.push(
      vector(`${p}attn_norm.weight`, hidden, 1),
      matrix(`${p}attn_q.weight`, hidden, heads * headDim),
      matrix(`${p}attn_k.weight`, hidden, kvHeads * headDim),
      matrix(`${p}attn_v.weight`, hidden, kvHeads * headDim),
      matrix(`${p}attn_output.weight`, heads * headDim, hidden),
      vector(`${p}post_attention_norm.weight`, hidden, 1),
      vector(`${p}ffn_norm.weight`, hidden, 1),
      matrix(`${p}ffn_up.weight`, hidden, 2 * intermediate),
      matrix(`${p}ffn_down.weight`, intermediate, hidden),
      vector(`${p}post_ffw_norm.weight`, hidden, 1),
    );
  }
  out.push(vector('output_norm.weight', hidden, 1), matrix('output.weight', hidden, vocab));
  return out;
}

/** 4 MiB of random Q4_0 blocks with one scale, so that activations stay near 1. */
function randomBlocks() {
  const blocks = 233_016;
  const buffer = randomFillSync(Buffer.alloc(blocks * 18));
  for (let block = 0; block < blocks; block += 1) buffer.writeUInt16LE(0x1800, block * 18); // f16 2^-9
  return buffer;
}

export function writeGguf(path, shape) {
  const metadata = {
    'general.architecture': 'glm4',
    'general.name': shape.name,
    'general.file_type': 2,
    'glm4.vocab_size': shape.vocab,
    'glm4.context_length': 8192,
    'glm4.embedding_length': shape.hidden,
    'glm4.feed_forward_length': shape.intermediate,
    'glm4.block_count': shape.layers,
    'glm4.attention.head_count': shape.heads,
    'glm4.attention.head_count_kv': shape.kvHeads,
    'glm4.attention.layer_norm_rms_epsilon': { f32: 1e-5 },
    'glm4.attention.key_length': shape.headDim,
    'glm4.attention.value_length': shape.headDim,
    'glm4.rope.dimension_count': shape.rotaryDim,
    'glm4.rope.freq_base': { f32: 10000 },
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': 'glm4',
    'tokenizer.ggml.tokens': Array.from({ length: shape.vocab }, (_, id) => `t${id}`),
    'tokenizer.ggml.token_type': Array.from({ length: shape.vocab }, () => 1),
    'tokenizer.ggml.merges': ['t 0'],
    'tokenizer.ggml.eos_token_id': shape.vocab - 1,
    'tokenizer.ggml.bos_token_id': shape.vocab - 1,
  };
  const tensors = tensorsOf(shape).map((tensor) => {
    const count = tensor.dims.reduce((a, b) => a * b, 1);
    return { ...tensor, byteLength: tensor.type === 'f32' ? count * 4 : (count / 32) * 18 };
  });
  const head = new Bytes();
  head.push(Buffer.from('GGUF'));
  head.u32(3);
  head.u64(tensors.length);
  head.u64(Object.keys(metadata).length);
  for (const [key, value] of Object.entries(metadata)) {
    head.text(key);
    writeValue(head, value);
  }
  const padded = (length) => Math.ceil(length / alignment) * alignment;
  let offset = 0;
  for (const tensor of tensors) {
    head.text(tensor.name);
    head.u32(tensor.dims.length);
    tensor.dims.forEach((dim) => head.u64(dim));
    head.u32(tensorType[tensor.type]);
    head.u64(offset);
    offset += padded(tensor.byteLength);
  }
  const blocks = randomBlocks();
  const file = openSync(path, 'w');
  try {
    writeSync(file, head.concat());
    writeSync(file, Buffer.alloc(padded(head.length) - head.length));
    for (const tensor of tensors) {
      if (tensor.type === 'f32') {
        writeSync(file, Buffer.from(new Float32Array(tensor.dims[0]).fill(tensor.value).buffer));
      } else {
        for (let left = tensor.byteLength; left > 0; left -= blocks.length) writeSync(file, blocks, 0, Math.min(left, blocks.length));
      }
      writeSync(file, Buffer.alloc(padded(tensor.byteLength) - tensor.byteLength));
    }
  } finally {
    closeSync(file);
  }
  return offset;
}
