import { contextSteps } from '../../common/contextSteps';
import { GlmError } from '../../common/errors';

/**
 * A prompt has more tokens than the context.
 *
 * Cause: a long paste or a long conversation. Handled by: the view, which keeps the text and shows the message.
 */
export class PromptTooLongError extends GlmError {
  /** @param isEstimate  `promptTokens` is the least it can be; the text was not tokenized. */
  constructor(promptTokens: number, contextTokens: number, isEstimate: boolean) {
    const count = `${isEstimate ? 'at least ' : ''}${promptTokens.toLocaleString('en-US')}`;
    super('prompt-too-long', `The prompt has ${count} tokens, the context holds ${contextTokens.toLocaleString('en-US')}. Shorten the prompt, start a new chat, or load the model with a longer context.`, {
      fields: { promptTokens, contextTokens, isEstimate },
      next: contextSteps,
    });
  }
}

/** Cause: an id beyond the model's vocabulary, such as from another model's tokenizer. Handled by: the asker. */
export class BadTokenIdError extends GlmError {
  constructor(id: number, vocabSize: number) {
    super('bad-token-id', `${id} is no token id of this model: its vocabulary has ${vocabSize.toLocaleString('en-US')} entries, from 0 to ${vocabSize - 1}. Tokenize the text with this model's own tokenizer.`, { fields: { id, vocabSize } });
  }
}

/** Cause: a request that needs a loaded model. Handled by: the asker. */
export class NothingLoadedError extends GlmError {
  constructor() {
    super('no-model', 'No model is loaded in this engine. Load one first.', { next: [{ label: 'Choose a model', command: 'glm.chooseModel' }] });
  }
}
