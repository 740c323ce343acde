import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ReportView } from '../../../../src/common/protocol/reportView';
import { drawPicture } from '../../../../webview/report/drawPicture';

interface DrawnText {
  readonly text: string;
  readonly left: number;
  readonly right: number;
  readonly top: number;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

/** A canvas that keeps where texts were drawn. Bold letters are wider, larger ones too. */
function standInCanvas(): { readonly canvas: { width: number; height: number }; readonly texts: readonly DrawnText[] } {
  const texts: DrawnText[] = [];
  const context = {
    font: '',
    textAlign: 'left',
    measureText: (text: string) => {
      const size = Number(/(\d+)px/.exec(context.font)?.[1]);
      return { width: text.length * size * (context.font.startsWith('600') ? 0.65 : 0.55) };
    },
    fillText: (text: string, at: number, top: number) => {
      const { width } = context.measureText(text);
      const left = context.textAlign === 'right' ? at - width : at;
      texts.push({ text, left, right: left + width, top });
    },
    scale: () => undefined,
    fillRect: () => undefined,
    drawImage: () => undefined,
  };
  const canvas = { width: 0, height: 0, getContext: () => context, toDataURL: () => 'data:image/png;base64,' };
  vi.stubGlobal('window', { devicePixelRatio: 2 });
  vi.stubGlobal('document', { createElement: () => canvas });
  return { canvas, texts };
}

const column = (title: string, isNumeric: boolean) => ({ title, isNumeric });
const report = (title: string): ReportView =>
  ({
    title,
    startedAtMs: 0,
    facts: [{ label: 'Processor', value: 'some' }],
    columns: [column('case', false), column('decode tok/s', true), column('± sd', true), column('prompt → new', false), column('requests at once', true)],
    cases: [{ name: 'a', cells: ['a', '1.0', '0.1', '4 → 2', '1'], cautions: [] }],
    comparisons: [{ text: 'baseline' }],
  }) as unknown as ReportView;
const colours = { background: '#000', text: '#fff', muted: '#888', fontFamily: 'sans' };

describe('drawPicture', () => {
  it('draws no text over another and none over the edge', () => {
    for (const title of ['Short', 'A title that is longer than every table, '.repeat(6)]) {
      const { canvas, texts } = standInCanvas();
      drawPicture(report(title), [{ title: 'A plot', canvas: { width: 100, height: 50 } as HTMLCanvasElement }], colours);
      expect(texts.length).toBeGreaterThan(10);
      for (const [index, one] of texts.entries()) {
        expect(one.left, one.text).toBeGreaterThanOrEqual(24);
        expect(one.right, one.text).toBeLessThanOrEqual(canvas.width / 2 - 24);
        for (const other of texts.slice(index + 1).filter(({ top }) => top === one.top)) {
          expect(one.right <= other.left - 4 || other.right <= one.left - 4, `${one.text} | ${other.text}`).toBe(true);
        }
      }
    }
  });
});
