/** The small files of a made checkpoint, as the published ones have them. */

import type { ModelShape } from './shapes';
import { tinyMerges, tinyVocabulary } from './tinyTokenizer.generated';

const specialTokens = ['<|endoftext|>', '[MASK]', '[gMASK]', '[sMASK]', '<sop>', '<eop>', '<|system|>', '<|user|>', '<|assistant|>', '<|observation|>'] as const;

const chatTemplate = `[gMASK]<sop>
{%- for message in messages -%}
<|{{ message.role }}|>
{{ message.content }}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
`;

const splitPattern = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** File name → text. */
export function configFiles(shape: ModelShape, dtype: 'bf16' | 'f16'): ReadonlyMap<string, string> {
  const idOf = (token: (typeof specialTokens)[number]): number => shape.firstSpecialId + specialTokens.indexOf(token);
  const stop = { eos_token_id: [idOf('<|endoftext|>'), idOf('<|user|>'), idOf('<|observation|>')], pad_token_id: idOf('<|endoftext|>') };
  const added = specialTokens.map((content) => ({ id: idOf(content), content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }));
  return new Map([
    [
      'config.json',
      toText({
        architectures: [shape.architecture === 'glm4' ? 'Glm4ForCausalLM' : 'GlmForCausalLM'],
        attention_bias: shape.qkvBias,
        attention_dropout: 0,
        ...stop,
        head_dim: shape.headDim,
        hidden_act: 'silu',
        hidden_size: shape.hiddenSize,
        initializer_range: 0.02,
        intermediate_size: shape.intermediateSize,
        max_position_embeddings: shape.maxContextTokens,
        model_type: shape.architecture,
        num_attention_heads: shape.numHeads,
        num_hidden_layers: shape.numLayers,
        num_key_value_heads: shape.numKvHeads,
        partial_rotary_factor: shape.partialRotaryFactor,
        rms_norm_eps: shape.normEpsilon,
        rope_theta: shape.ropeTheta,
        tie_word_embeddings: shape.tiedEmbeddings,
        torch_dtype: dtype === 'bf16' ? 'bfloat16' : 'float16',
        use_cache: true,
        vocab_size: shape.vocabSize,
      }),
    ],
    ['generation_config.json', toText({ do_sample: true, ...stop, temperature: 0.8, top_p: 0.8 })],
    ['chat_template.jinja', chatTemplate],
    [
      'tokenizer.json',
      JSON.stringify({
        version: '1.0',
        truncation: null,
        padding: null,
        added_tokens: added,
        normalizer: null,
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Split', pattern: { Regex: splitPattern }, behavior: 'Isolated', invert: false },
            { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
          ],
        },
        post_processor: null,
        decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
        model: {
          type: 'BPE',
          dropout: null,
          unk_token: null,
          continuing_subword_prefix: null,
          end_of_word_suffix: null,
          fuse_unk: false,
          byte_fallback: false,
          ignore_merges: false,
          // The special tokens stand here too: the Python library takes an added token's id from the vocabulary, and would else close the gap before them.
          vocab: Object.fromEntries([...tinyVocabulary.map((token, id) => [token, id] as const), ...added.map(({ content, id }) => [content, id] as const)]),
          merges: tinyMerges,
        },
      }),
    ],
    [
      'tokenizer_config.json',
      toText({
        added_tokens_decoder: Object.fromEntries(added.map(({ id, ...flags }) => [String(id), flags])),
        additional_special_tokens: specialTokens,
        clean_up_tokenization_spaces: false,
        eos_token: '<|endoftext|>',
        pad_token: '<|endoftext|>',
        model_max_length: 128_000,
        padding_side: 'left',
        tokenizer_class: 'PreTrainedTokenizer',
      }),
    ],
  ]);
}

function toText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
