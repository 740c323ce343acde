/** Reads the tokenizer's texts into the two objects the tokenizers library takes, with added tokens merged as transformers merges them. */

import type { TokenizerFiles } from '../common/tokenizerFiles';
import { tokenizerJsonFromTiktoken } from './tiktokenModel';
import { TokenizerError } from './tokenizerError';

export interface AddedTokenJson {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly single_word: boolean;
}

/** The layout of tokenizer.json, as far as this folder looks into it. */
export interface TokenizerJson {
  readonly added_tokens: readonly AddedTokenJson[];
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly post_processor: unknown;
  readonly decoder: unknown;
  readonly model: { readonly type: string; readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly unknown[] };
}

export interface TokenizerSource {
  readonly json: TokenizerJson;
  /** tokenizer_config.json, or {}. */
  readonly config: Readonly<Record<string, unknown>>;
  /** bos_token, eos_token, … by name; handed to templates. */
  readonly namedTokens: Readonly<Record<string, string>>;
}

type JsonObject = Readonly<Record<string, unknown>>;

const namedTokenKeys = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'] as const;

/** @throws {TokenizerError} */
export function readTokenizerSource(files: TokenizerFiles): TokenizerSource {
  const config = files.tokenizerConfigJson === undefined ? {} : parseObject(files.tokenizerConfigJson, 'tokenizer_config.json');
  const specialMap = files.specialTokensMapJson === undefined ? {} : parseObject(files.specialTokensMapJson, 'special_tokens_map.json');
  const declared = declaredTokens(config);
  const namedTokens: Record<string, string> = {};
  for (const key of namedTokenKeys) {
    const content = contentOf(config[key]) ?? contentOf(specialMap[key]);
    if (content !== undefined) {
      namedTokens[key] = content;
    }
  }
  const base = files.tokenizerJson !== undefined ? readTokenizerJson(files.tokenizerJson) : files.tokenizerModel !== undefined ? tokenizerJsonFromTiktoken(files.tokenizerModel, declared) : undefined;
  if (base === undefined) {
    throw new TokenizerError('missing', 'The checkpoint has no tokenizer: neither tokenizer.json nor tokenizer.model is there. Text cannot be turned into tokens without one. Download the tokenizer files of the model into its folder.');
  }
  const extra = [...listOf(config.additional_special_tokens), ...listOf(config.extra_special_tokens), ...listOf(specialMap.additional_special_tokens)];
  const json = { ...base, added_tokens: mergeAddedTokens(base, declared, [...Object.values(namedTokens), ...extra]) };
  checkModel(json);
  return { json, config, namedTokens };
}

function readTokenizerJson(text: string): TokenizerJson {
  const json = parseObject(text, 'tokenizer.json');
  const model = json.model;
  if (!isObject(model) || !isObject(model.vocab) || !Array.isArray(model.merges) || (model.type !== undefined && model.type !== 'BPE')) {
    throw new TokenizerError(isObject(model) && typeof model.type === 'string' && model.type !== 'BPE' ? 'unsupported' : 'broken', 'tokenizer.json has no byte-pair model with vocab and merges, which every GLM-4 tokenizer has. It is damaged or belongs to another model. Download it again.');
  }
  const added = json.added_tokens ?? [];
  if (!Array.isArray(added)) {
    throw new TokenizerError('broken', 'tokenizer.json has an added_tokens entry that is not a list. Download it again.');
  }
  return {
    added_tokens: added.map((token, i) => addedToken(token, isObject(token) ? token.id : undefined, `added_tokens[${i}] of tokenizer.json`)),
    normalizer: json.normalizer ?? null,
    pre_tokenizer: json.pre_tokenizer ?? null,
    post_processor: json.post_processor ?? null,
    decoder: json.decoder ?? null,
    model: { ...model, type: 'BPE' } as unknown as TokenizerJson['model'],
  };
}

/** tokenizer_config's `added_tokens_decoder`, by ascending id. */
function declaredTokens(config: JsonObject): readonly AddedTokenJson[] {
  const decoder = config.added_tokens_decoder;
  if (!isObject(decoder)) {
    return [];
  }
  return Object.entries(decoder)
    .map(([id, token]) => addedToken(token, /^\d{1,9}$/.test(id) ? Number(id) : undefined, `added_tokens_decoder[${id}] of tokenizer_config.json`))
    .sort((a, b) => a.id - b.id);
}

function addedToken(token: unknown, id: unknown, where: string): AddedTokenJson {
  if (!isObject(token) || typeof token.content !== 'string' || token.content === '' || !Number.isSafeInteger(id) || (id as number) < 0) {
    throw new TokenizerError('broken', `${where} has no content or no id. Download the tokenizer files again.`, { fields: { where } });
  }
  const special = token.special === true;
  return {
    id: id as number,
    content: token.content,
    special,
    lstrip: token.lstrip === true,
    rstrip: token.rstrip === true,
    normalized: typeof token.normalized === 'boolean' ? token.normalized : !special,
    single_word: token.single_word === true,
  };
}

/**
 * tokenizer.json's own list; then what tokenizer_config declares, which wins where both name a token; then named special tokens that neither lists.
 * @see transformers tokenization_utils_tokenizers.py, TokenizersBackend.__init__
 */
function mergeAddedTokens(base: TokenizerJson, declared: readonly AddedTokenJson[], specialNames: readonly string[]): readonly AddedTokenJson[] {
  const byContent = new Map(base.added_tokens.map((token) => [token.content, token]));
  for (const token of declared) {
    const known = byContent.get(token.content);
    byContent.set(token.content, known === undefined ? token : { ...token, id: known.id });
  }
  let nextId = 0;
  for (const id of Object.values(base.model.vocab)) {
    nextId = Math.max(nextId, id + 1);
  }
  for (const token of byContent.values()) {
    nextId = Math.max(nextId, token.id + 1);
  }
  for (const content of specialNames) {
    if (content !== '' && !byContent.has(content)) {
      const inVocab = Object.hasOwn(base.model.vocab, content) ? base.model.vocab[content] : undefined;
      byContent.set(content, { id: inVocab ?? nextId++, content, special: true, lstrip: false, rstrip: false, normalized: false, single_word: false });
    }
  }
  return [...byContent.values()].sort((a, b) => a.id - b.id);
}

function checkModel(json: TokenizerJson): void {
  for (const [token, id] of Object.entries(json.model.vocab)) {
    if (!Number.isSafeInteger(id) || id < 0 || id > 0x7fffffff) {
      throw new TokenizerError('broken', `The tokenizer gives ${JSON.stringify(token.slice(0, 60))} the id ${String(id)}, which is not a whole number from 0 up. Download the tokenizer files again.`);
    }
  }
  if (!json.model.merges.every((merge) => typeof merge === 'string' || (Array.isArray(merge) && merge.length === 2 && merge.every((part) => typeof part === 'string')))) {
    throw new TokenizerError('broken', 'tokenizer.json has a merge that is neither two tokens nor one text. Download it again.');
  }
  if (!isByteLevelDecoder(json.decoder)) {
    throw new TokenizerError('unsupported', 'The tokenizer does not decode bytes (ByteLevel), as every GLM-4 tokenizer does; it belongs to another kind of model. Choose a GLM-4 checkpoint.');
  }
}

function isByteLevelDecoder(decoder: unknown): boolean {
  if (!isObject(decoder)) {
    return false;
  }
  return decoder.type === 'ByteLevel' || (decoder.type === 'Sequence' && Array.isArray(decoder.decoders) && decoder.decoders.length === 1 && isByteLevelDecoder(decoder.decoders[0]));
}

function parseObject(text: string, file: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TokenizerError('broken', `${file} is not valid JSON (${error instanceof Error ? error.message : String(error)}). Download it again.`, { fields: { file }, cause: error });
  }
  if (!isObject(value)) {
    throw new TokenizerError('broken', `${file} does not hold a JSON object. Download it again.`, { fields: { file } });
  }
  return value;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A token given as text or as `{content}`. */
function contentOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : isObject(value) && typeof value.content === 'string' ? value.content : undefined;
}

function listOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(contentOf).filter((content): content is string => content !== undefined) : [];
}
