/** The texts of a checkpoint that a tokenizer can be made of: read by src/checkpoint, understood by src/tokenizer. A missing file is undefined. */
export interface TokenizerFiles {
  /** `tokenizer.json` of the tokenizers library. */
  readonly tokenizerJson?: string;
  readonly tokenizerConfigJson?: string;
  readonly chatTemplateJinja?: string;
  /** `additional_chat_templates/NAME.jinja`, by name. */
  readonly additionalChatTemplates?: Readonly<Record<string, string>>;
  /** `tokenizer.model`: lines of `base64(token) rank` (tiktoken form). */
  readonly tokenizerModel?: string;
  readonly specialTokensMapJson?: string;
}
