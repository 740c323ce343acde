import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTokenizer } from '../../../src/tokenizer/createTokenizer';
import type { TokenizerFiles } from '../../../src/common/tokenizerFiles';
import type { GlmTokenizer, TokenizerContext } from '../../../src/tokenizer/glmTokenizer';

const root = join(__dirname, '../../fixtures/tokenizer');

export const fixtureNames = ['pairs', 'prefixed', 'ranks'] as const;
export type FixtureName = (typeof fixtureNames)[number];

/** What transformers computed; see tools/fixtures/tokenizer/make_oracle.py. */
export interface Oracle {
  readonly size: number;
  /** text, ids, ids without the added prefix, ids with special literals as text, decoded, decoded without special tokens. */
  readonly texts: readonly (readonly [string, number[], number[], number[], string, string])[];
  readonly decodes: readonly (readonly [number[], string, string])[];
  readonly chats: readonly { readonly name: string; readonly messages: never[]; readonly tools?: never[]; readonly add_generation_prompt: boolean; readonly enable_thinking?: boolean; readonly text?: string; readonly ids?: number[]; readonly error?: string }[];
}

export function readOracle(name: FixtureName): Oracle {
  return JSON.parse(readFileSync(join(root, name, 'oracle.json'), 'utf8')) as Oracle;
}

export function fixtureFiles(name: FixtureName): TokenizerFiles {
  const read = (file: string): string | undefined => (existsSync(join(root, name, file)) ? readFileSync(join(root, name, file), 'utf8') : undefined);
  return { tokenizerJson: read('tokenizer.json'), tokenizerConfigJson: read('tokenizer_config.json'), chatTemplateJinja: read('chat_template.jinja'), tokenizerModel: read('tokenizer.model') };
}

export function fixtureTokenizer(name: FixtureName, changes: Partial<TokenizerFiles> = {}, context?: TokenizerContext): GlmTokenizer {
  return createTokenizer({ ...fixtureFiles(name), ...changes }, context);
}

export function idOf(tokenizer: GlmTokenizer, content: string): number {
  const token = tokenizer.specialTokens.find((special) => special.content === content);
  if (token === undefined) {
    throw new Error(`no token ${content}`);
  }
  return token.id;
}
