/** Parts a streamed answer of a thinking model (GLM-Z1) into what it thought and what it says. */

export interface AnswerParts {
  readonly text: string;
  readonly thinking: string;
}

const openTag = '<think>';
const closeTag = '</think>';

/**
 * Feed it text as it arrives; a tag that arrives in pieces is held back until it is whole or turns out to be text.
 *
 * GLM-Z1's template ends the prompt with `<think>`, so the answer starts inside; other models write the tag themselves.
 * Only a think part at the very start counts: the tags later on are ordinary text.
 */
export class ThinkSplitter {
  private state: 'start' | 'thinking' | 'after-think' | 'text';
  private held = '';
  private thinking = '';
  private tagSeen = false;

  /** @param startsInside The prompt ended inside an open think part. */
  constructor(private readonly startsInside: boolean) {
    this.state = 'start';
  }

  /** What became certain through `delta`. */
  push(delta: string): AnswerParts {
    this.held += delta;
    let text = '';
    let thinking = '';
    for (;;) {
      if (this.state === 'start') {
        const trimmed = this.held.trimStart();
        if (trimmed.startsWith(openTag)) {
          this.tagSeen = true;
          this.held = trimmed.slice(openTag.length);
          this.state = 'thinking';
          continue;
        }
        if (openTag.startsWith(trimmed)) {
          break;
        }
        this.state = this.startsInside ? 'thinking' : 'text';
      } else if (this.state === 'thinking') {
        const end = this.held.indexOf(closeTag);
        if (end >= 0) {
          this.tagSeen = true;
          thinking += this.held.slice(0, end);
          this.held = this.held.slice(end + closeTag.length);
          this.state = 'after-think';
          continue;
        }
        const keep = partialTagLength(this.held, closeTag);
        thinking += this.held.slice(0, this.held.length - keep);
        this.held = this.held.slice(this.held.length - keep);
        break;
      } else if (this.state === 'after-think') {
        // The template puts line ends between the two parts; they belong to neither.
        this.held = this.held.trimStart();
        if (this.held === '') {
          break;
        }
        this.state = 'text';
      } else {
        text += this.held;
        this.held = '';
        break;
      }
    }
    this.thinking += thinking;
    return { text, thinking };
  }

  /**
   * What was still held back. `answerWasThinking`: an answer that ended by itself although no tag was seen was no think part after all;
   * the caller shows everything it got as thinking as text instead.
   */
  end(endedByItself: boolean): AnswerParts & { readonly answerWasThinking: boolean } {
    const rest = this.held;
    this.held = '';
    const inThinking = this.state === 'thinking' || (this.state === 'start' && this.startsInside);
    this.thinking += inThinking ? rest : '';
    const answerWasThinking = inThinking && endedByItself && !this.tagSeen && this.thinking !== '';
    return { text: inThinking ? '' : rest, thinking: inThinking ? rest : '', answerWasThinking };
  }
}

/** Length of the longest end of `text` that is a beginning of `tag`. */
function partialTagLength(text: string, tag: string): number {
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length--) {
    if (tag.startsWith(text.slice(-length))) {
      return length;
    }
  }
  return 0;
}
