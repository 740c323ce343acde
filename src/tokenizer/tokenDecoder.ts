/** Ids to text over bytes: the same for a whole list and for one token at a time, so that streaming cannot differ from decoding. */

import { bytesOfToken } from './byteLevel';
import type { DecodeOptions, StreamDecoder } from './glmTokenizer';

export interface TokenTable {
  /** Undefined for ids that no token has (a model's vocabulary is padded past its tokenizer). */
  tokenOf(id: number): string | undefined;
  isSpecial(id: number): boolean;
}

export interface TokenDecoder {
  decode(ids: ArrayLike<number>, options: DecodeOptions): string;
  streamDecoder(options: DecodeOptions): StreamDecoder;
}

/**
 * Decodes as the tokenizers library does: bytes of all tokens in a row, then UTF-8 with U+FFFD for what is no character.
 * Ids without a token are passed over. Nothing is tidied up: transformers ignores `clean_up_tokenization_spaces` for byte-pair tokenizers.
 */
export function createTokenDecoder(table: TokenTable): TokenDecoder {
  const bytesOfId = new Map<number, Uint8Array>();
  const bytesOf = (id: number, { skipSpecial }: DecodeOptions): Uint8Array | undefined => {
    if (skipSpecial && table.isSpecial(id)) {
      return undefined;
    }
    let bytes = bytesOfId.get(id);
    if (bytes === undefined) {
      const token = table.tokenOf(id);
      if (token === undefined) {
        return undefined;
      }
      bytes = bytesOfToken(token);
      bytesOfId.set(id, bytes);
    }
    return bytes;
  };
  const streamDecoder = (options: DecodeOptions): StreamDecoder => {
    const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
    return {
      push: (id) => {
        const bytes = bytesOf(id, options);
        return bytes === undefined ? '' : utf8.decode(bytes, { stream: true });
      },
      end: () => utf8.decode(),
    };
  };
  return {
    streamDecoder,
    decode: (ids, options) => {
      const stream = streamDecoder(options);
      let text = '';
      for (const id of Array.from(ids)) {
        text += stream.push(id);
      }
      return text + stream.end();
    },
  };
}
