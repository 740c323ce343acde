/** Splits an answer into its `<think>` part and the rest while it streams; used by views, never by the prompt. */

export interface ThinkDelta {
  readonly thinking: string;
  readonly answer: string;
}

export interface ThinkSplitter {
  push(text: string): ThinkDelta;
  /** What was held back because it could have been the beginning of a tag. */
  end(): ThinkDelta;
  /** True while the text goes to `thinking`. */
  readonly isThinking: boolean;
}

const openTag = '<think>';
const closeTag = '</think>';

/**
 * The answer may open with `<think>` (after white space), or be inside already when the prompt ends with it. A later `<think>` is text:
 * a model that writes about the tag is not thinking. White space right after `</think>` belongs to neither part.
 *
 * @param startsInside  `RenderedChat.promptOpensThink`.
 */
export function createThinkSplitter(startsInside: boolean): ThinkSplitter {
  let state: 'before' | 'thinking' | 'after-tag' | 'answer' = startsInside ? 'thinking' : 'before';
  let held = '';

  const step = (isLast: boolean): ThinkDelta => {
    let thinking = '';
    let answer = '';
    for (;;) {
      if (state === 'before') {
        const body = held.trimStart();
        if (body.startsWith(openTag)) {
          held = body.slice(openTag.length);
          state = 'thinking';
        } else if (!isLast && openTag.startsWith(body)) {
          break;
        } else {
          state = 'answer';
        }
      } else if (state === 'thinking') {
        const end = held.indexOf(closeTag);
        if (end < 0) {
          const keep = isLast ? 0 : overlapAtEnd(held, closeTag);
          thinking += held.slice(0, held.length - keep);
          held = held.slice(held.length - keep);
          break;
        }
        thinking += held.slice(0, end);
        held = held.slice(end + closeTag.length);
        state = 'after-tag';
      } else if (state === 'after-tag') {
        held = held.trimStart();
        if (held === '') {
          break;
        }
        state = 'answer';
      } else {
        answer += held;
        held = '';
        break;
      }
    }
    return { thinking, answer };
  };

  return {
    push: (text) => {
      held += text;
      return step(false);
    },
    end: () => step(true),
    get isThinking() {
      return state === 'thinking';
    },
  };
}

/** Length of the longest end of `text` that is a proper beginning of `tag`. */
function overlapAtEnd(text: string, tag: string): number {
  for (let length = Math.min(text.length, tag.length - 1); length > 0; length--) {
    if (text.endsWith(tag.slice(0, length))) {
      return length;
    }
  }
  return 0;
}
