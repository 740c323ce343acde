import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ThinkSplitter } from '../../../src/common/thinkSplit';

function split(pieces: readonly string[], startsInside: boolean, endedByItself = true): { text: string; thinking: string; answerWasThinking: boolean } {
  const splitter = new ThinkSplitter(startsInside);
  let text = '';
  let thinking = '';
  for (const piece of pieces) {
    const parts = splitter.push(piece);
    text += parts.text;
    thinking += parts.thinking;
  }
  const rest = splitter.end(endedByItself);
  return { text: text + rest.text, thinking: thinking + rest.thinking, answerWasThinking: rest.answerWasThinking };
}

describe('ThinkSplitter', () => {
  it('starts inside the think part when the prompt opened it', () => {
    expect(split(['two and', ' two</thi', 'nk>\n\nFour.'], true)).toEqual({ thinking: 'two and two', text: 'Four.', answerWasThinking: false });
  });

  it('takes a tag that the model writes itself', () => {
    expect(split(['\n<th', 'ink>hm</think>yes'], false)).toEqual({ thinking: 'hm', text: 'yes', answerWasThinking: false });
  });

  it('leaves tags in the middle of an answer alone', () => {
    expect(split(['Write <think>a</think> like this'], false).text).toBe('Write <think>a</think> like this');
  });

  it('keeps a think part that was cut by the length limit as thinking', () => {
    expect(split(['still thinking'], true, false)).toEqual({ thinking: 'still thinking', text: '', answerWasThinking: false });
  });

  it('reports an answer that ended without any tag as no think part', () => {
    expect(split(['Just an answer.'], true).answerWasThinking).toBe(true);
  });

  it('holds back no text for good: a lone beginning of a tag comes out at the end', () => {
    expect(split(['<thi'], false).text).toBe('<thi');
    expect(split(['a</thi'], true, false).thinking).toBe('a</thi');
  });

  it('gives the same parts however the text is cut', () => {
    const whole = fc.array(fc.constantFrom('<think>', '</think>', '<', '/', 'th', ' ', '\n', 'x', '>'), { maxLength: 12 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(whole, fc.array(fc.nat(40), { maxLength: 6 }), fc.boolean(), (text, cuts, inside) => {
        const borders = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
        const pieces = borders.slice(1).map((end, index) => text.slice(borders[index], end));
        expect(split(pieces, inside)).toEqual(split([text], inside));
      }),
    );
  });
});
