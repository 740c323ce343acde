/** Tokenizers by source: building one takes up to a second, and a conversation asks for the same one again and again. */

import { describeCheckpoint } from '../../checkpoint/openCheckpoint';
import type { CheckpointSummary } from '../../checkpoint/checkpoint';
import { createTokenizer } from '../../tokenizer/createTokenizer';
import type { GlmTokenizer } from '../../tokenizer/glmTokenizer';

/** Only the last one is kept besides the loaded model's: vocabularies are large. */
export class TokenizerStore {
  private known: { readonly source: string; readonly tokenizer: Promise<GlmTokenizer> } | undefined;

  constructor(private readonly env: Readonly<Record<string, string | undefined>>) {}

  get(source: string): Promise<GlmTokenizer> {
    if (this.known?.source !== source) {
      const tokenizer = describeCheckpoint(source, { env: this.env }).then(tokenizerOf);
      this.known = { source, tokenizer };
      // A failure is not kept: the user may have put the file in place.
      tokenizer.catch(() => {
        if (this.known?.tokenizer === tokenizer) {
          this.known = undefined;
        }
      });
    }
    return this.known.tokenizer;
  }

  /** Takes a tokenizer that a load has built already. */
  keep(source: string, tokenizer: GlmTokenizer): void {
    this.known = { source, tokenizer: Promise.resolve(tokenizer) };
  }
}

export function tokenizerOf(checkpoint: CheckpointSummary): GlmTokenizer {
  return createTokenizer(checkpoint.tokenizerFiles, { configJson: checkpoint.configJson, generationConfigJson: checkpoint.generationConfigJson });
}
