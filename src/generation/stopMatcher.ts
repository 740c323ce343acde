/** Finds stop strings in a text that arrives in pieces, and never lets a part of one through. */

export interface StopMatcher {
  /** The text that certainly belongs to the answer; `stopped` once a stop string has been seen, and then nothing more comes. */
  push(text: string): { readonly text: string; readonly stopped: boolean };
  /** What was held back as a possible beginning of a stop string. */
  end(): string;
}

/**
 * The answer ends before the stop string that is complete first; of those complete at the same character, before the one that begins first.
 * That does not depend on how the text is cut into pieces.
 */
export function createStopMatcher(stopStrings: readonly string[]): StopMatcher {
  let held = '';
  let stopped = false;
  return {
    push: (text) => {
      if (stopped) {
        return { text: '', stopped };
      }
      const buffer = held + text;
      const match = firstComplete(buffer, stopStrings);
      if (match !== undefined) {
        stopped = true;
        held = '';
        return { text: buffer.slice(0, match), stopped };
      }
      const keep = longestBeginning(buffer, stopStrings);
      held = buffer.slice(buffer.length - keep);
      return { text: buffer.slice(0, buffer.length - keep), stopped };
    },
    end: () => {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Where the stop string that is complete first begins. */
function firstComplete(text: string, stopStrings: readonly string[]): number | undefined {
  let best: { readonly start: number; readonly end: number } | undefined;
  for (const stop of stopStrings) {
    const start = text.indexOf(stop);
    const end = start + stop.length;
    if (start >= 0 && (best === undefined || end < best.end || (end === best.end && start < best.start))) {
      best = { start, end };
    }
  }
  return best?.start;
}

/** Length of the longest end of `text` with which some stop string begins. */
function longestBeginning(text: string, stopStrings: readonly string[]): number {
  let longest = 0;
  for (const stop of stopStrings) {
    for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) {
        longest = length;
      }
    }
  }
  return longest;
}
