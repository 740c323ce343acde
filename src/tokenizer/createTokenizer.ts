/** Builds a {@link GlmTokenizer} from a checkpoint's texts. Pure and synchronous; a vocabulary of 151 thousand takes 1 to 2 s of one core. */

import { Tokenizer } from '@huggingface/tokenizers';
import type { TokenizerFiles } from '../common/tokenizerFiles';
import { createChatTemplate, findChatTemplate, templatesByName, templateVariables, type ChatTemplate } from './chatTemplate';
import { glm4FallbackTemplate } from './fallbackTemplate';
import type { GlmTokenizer, TokenizerContext } from './glmTokenizer';
import { renderGuarded } from './specialLiterals';
import { createTokenDecoder } from './tokenDecoder';
import { TemplateError, TokenizerError } from './tokenizerError';
import { readTokenizerSource, type TokenizerJson, type TokenizerSource } from './tokenizerJson';

/**
 * @param context  The parsed configs; without them the stop list falls back to the tokenizer's `eos_token`.
 * @throws {TokenizerError} `tokenizer-missing` | `tokenizer-broken` | `tokenizer-unsupported`
 */
export function createTokenizer(files: TokenizerFiles, context: TokenizerContext = {}): GlmTokenizer {
  const source = readTokenizerSource(files);
  const { json, namedTokens } = source;
  const { main, plain } = buildTokenizers(source);
  const tokenOf = new Map(json.added_tokens.map((token) => [token.id, token.content]));
  const special = new Set(json.added_tokens.filter((token) => token.special).map((token) => token.id));
  const decoder = createTokenDecoder({ tokenOf: (id) => tokenOf.get(id) ?? main.id_to_token(id), isSpecial: (id) => special.has(id) });
  const eosIds = findEosIds(context, json, namedTokens.eos_token);
  const template = findChatTemplate(files, source.config, namedTokens) ?? fallbackFor(files, json, eosIds, namedTokens);
  const names = template === undefined ? [...templatesByName(files, source.config).keys()] : [];

  const longestToken = longestTokenBytes(json);
  const encode: GlmTokenizer['encode'] = (text, mode) => toIds(mode === 'plain' ? plain.encode(text, { add_special_tokens: false }).ids : main.encode(text, { add_special_tokens: mode === 'special' }).ids);

  return {
    vocabSize: countIds(json),
    hasChatTemplate: template !== undefined,
    thinks: template?.source.includes('<think>') ?? false,
    specialTokens: json.added_tokens.map(({ id, content, special: isSpecial }) => ({ id, content, special: isSpecial })),
    eosIds,
    encode,
    minTokens: (text) => Math.ceil(utf8Length(text) / longestToken),
    decode: (ids, options) => decoder.decode(ids, options),
    streamDecoder: (options) => decoder.streamDecoder(options),
    renderChat: (chat) => {
      if (template === undefined) {
        throw new TemplateError(
          'no-chat-template',
          names.length === 0
            ? 'This checkpoint has no chat template: it is a base model, which continues text but knows no roles. Use plain completion, or load the chat release of the model.'
            : `This checkpoint has chat templates for special uses (${names.slice(0, 5).join(', ')}), but none that is called "default", so none can be chosen. Put the right one into its folder as chat_template.jinja, or use plain completion.`,
        );
      }
      const { text, pieces } = renderGuarded(templateVariables(chat), json.added_tokens, (variables) => template.render(variables));
      const ids = pieces === undefined ? encode(text, 'no-special') : Int32Array.from(pieces.flatMap((piece) => (typeof piece === 'number' ? [piece] : [...encode(piece, 'plain')])));
      return { text, ids, promptOpensThink: /<think>\s*$/.test(text) };
    },
  };
}

/** Two tokenizers over one model: `plain` knows no added tokens. The model (some 200 MB for GLM's vocabulary) is shared, not built twice. */
function buildTokenizers({ json, config }: TokenizerSource): { readonly main: Tokenizer; readonly plain: Tokenizer } {
  try {
    const main = new Tokenizer(json, config);
    const plain = new Tokenizer({ ...json, added_tokens: [], post_processor: null, model: { ...json.model, vocab: {}, merges: [] } }, config);
    plain.model = main.model;
    for (const { content } of json.added_tokens) {
      // The library puts added tokens into the model's vocabulary, where a model with ignore_merges would find them in plain text.
      if (!Object.hasOwn(json.model.vocab, content)) {
        main.model?.tokens_to_ids.delete(content);
      }
    }
    return { main, plain };
  } catch (error) {
    throw new TokenizerError('broken', `The tokenizer could not be built (${error instanceof Error ? error.message : String(error)}). Its files are damaged or of a kind that is not supported. Download them again.`, { cause: error });
  }
}

function toIds(ids: readonly (number | undefined)[]): Int32Array {
  const known = ids.filter((id): id is number => id !== undefined);
  return Int32Array.from(known);
}

function countIds(json: TokenizerJson): number {
  let highest = -1;
  for (const id of Object.values(json.model.vocab)) {
    highest = Math.max(highest, id);
  }
  for (const { id } of json.added_tokens) {
    highest = Math.max(highest, id);
  }
  return highest + 1;
}

/** Characters of a token's spelling are bytes, except in added tokens, which count in UTF-8. */
function longestTokenBytes(json: TokenizerJson): number {
  let longest = 1;
  for (const token of Object.keys(json.model.vocab)) {
    longest = Math.max(longest, token.length);
  }
  for (const { content } of json.added_tokens) {
    longest = Math.max(longest, utf8Length(content));
  }
  return longest;
}

function utf8Length(text: string): number {
  let length = text.length;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    length += code < 0x80 ? 0 : code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 1 : 2;
  }
  return length;
}

/** generation_config.json before config.json before the tokenizer's eos_token. */
function findEosIds({ generationConfigJson, configJson }: TokenizerContext, json: TokenizerJson, eosToken: string | undefined): readonly number[] {
  for (const declared of [generationConfigJson?.eos_token_id, configJson?.eos_token_id]) {
    const ids: readonly unknown[] = declared === undefined || declared === null ? [] : Array.isArray(declared) ? declared : [declared];
    if (!ids.every((id): id is number => Number.isSafeInteger(id) && (id as number) >= 0)) {
      throw new TokenizerError('broken', `${JSON.stringify(declared).slice(0, 100)} is neither a token id nor a list of them, but stands as eos_token_id in generation_config.json or config.json. Without it nobody knows where an answer ends. Download the file again.`);
    }
    if (ids.length > 0) {
      return [...new Set(ids)];
    }
  }
  const id = json.added_tokens.find((token) => token.content === eosToken)?.id;
  return id === undefined ? [] : [id];
}

/** Chat checkpoints in the original layout stop at `<|user|>`; their base sibling stops at the end of text only and gets no template. */
function fallbackFor(files: TokenizerFiles, json: TokenizerJson, eosIds: readonly number[], namedTokens: Readonly<Record<string, string>>): ChatTemplate | undefined {
  const userId = json.added_tokens.find((token) => token.content === '<|user|>')?.id;
  const isOriginalLayout = files.tokenizerJson === undefined && files.tokenizerModel !== undefined;
  return isOriginalLayout && userId !== undefined && eosIds.includes(userId) ? createChatTemplate(new Map([['default', glm4FallbackTemplate]]), namedTokens) : undefined;
}
