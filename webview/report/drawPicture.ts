/** The report as one picture: title, table and the plots as they are on screen, on the theme's background. */

import type { ReportView } from '../../src/common/protocol/reportView';

export interface PicturePlot {
  readonly title: string;
  readonly canvas: HTMLCanvasElement;
}

export interface PictureColours {
  readonly background: string;
  readonly text: string;
  readonly muted: string;
  readonly fontFamily: string;
}

const margin = 24;
const rowHeight = 20;
const headWeight = '600';

/** @returns A PNG in base64, without the data URL's head. */
export function drawPicture(report: ReportView, plots: readonly PicturePlot[], colours: PictureColours): string {
  const scale = Math.max(1, window.devicePixelRatio);
  const canvas = document.createElement('canvas');
  const ctx = canvas.getContext('2d');
  if (ctx === null) {
    throw new Error('This window draws no pictures.');
  }
  const font = (size: number, weight = ''): string => `${weight} ${size}px ${colours.fontFamily}`.trim();
  const widthOf = (text: string, size = 12, weight = ''): number => {
    ctx.font = font(size, weight);
    return ctx.measureText(text).width;
  };
  const columns = withVerdict(report.columns, { title: 'against the baseline', isNumeric: false });
  const rows = [columns.map((column) => column.title), ...report.cases.map((each, index) => withVerdict(each.cells, report.comparisons[index]?.text ?? ''))];
  const widths = columns.map((_, column) => Math.max(...rows.map((row, index) => widthOf(row[column] ?? '', 12, index === 0 ? headWeight : ''))) + 16);
  const facts = report.facts.map((fact) => `${fact.label}: ${fact.value}`);
  const cautions = report.cases.flatMap((each) => each.cautions.map((caution) => `${each.name}: ${caution}`));
  const plotHeights = plots.map((plot) => plot.canvas.height / scale + 28);
  const texts = [widthOf(report.title, 18, headWeight), ...[...facts, ...cautions].map((text) => widthOf(text))];
  const width = margin * 2 + Math.max(320, widths.reduce((sum, each) => sum + each, 0), ...plots.flatMap((plot) => [plot.canvas.width / scale, widthOf(plot.title, 13, headWeight)]), ...texts);
  const height = margin * 2 + 52 + (facts.length + rows.length + cautions.length) * rowHeight + 24 + plotHeights.reduce((sum, each) => sum + each, 0);
  canvas.width = Math.ceil(width * scale);
  canvas.height = Math.ceil(height * scale);
  ctx.scale(scale, scale);
  ctx.fillStyle = colours.background;
  ctx.fillRect(0, 0, width, height);
  ctx.textBaseline = 'top';
  let top = margin;
  const line = (text: string, colour: string, size = 12, weight = ''): void => {
    ctx.fillStyle = colour;
    ctx.font = font(size, weight);
    ctx.fillText(text, margin, top);
    top += size > 12 ? 28 : rowHeight;
  };
  line(report.title, colours.text, 18, headWeight);
  line(new Date(report.startedAtMs).toLocaleString(), colours.muted);
  facts.forEach((fact) => line(fact, colours.muted));
  top += 8;
  for (const [index, row] of rows.entries()) {
    let left = margin;
    ctx.font = font(12, index === 0 ? headWeight : '');
    ctx.fillStyle = colours.text;
    for (const [column, text] of row.entries()) {
      const cell = widths[column] ?? 0;
      const isNumeric = columns[column]?.isNumeric === true;
      ctx.textAlign = isNumeric ? 'right' : 'left';
      ctx.fillText(text, isNumeric ? left + cell - 16 : left, top);
      left += cell;
    }
    ctx.textAlign = 'left';
    top += rowHeight;
  }
  cautions.forEach((caution) => line(caution, colours.muted));
  top += 8;
  for (const plot of plots) {
    line(plot.title, colours.text, 13, headWeight);
    ctx.drawImage(plot.canvas, margin, top, plot.canvas.width / scale, plot.canvas.height / scale);
    top += plot.canvas.height / scale;
  }
  return canvas.toDataURL('image/png').replace(/^data:image\/png;base64,/, '');
}

/** The verdict stands beside the case's name, as on screen. */
function withVerdict<T>([first, ...others]: readonly T[], verdict: T): readonly T[] {
  return first === undefined ? others : [first, verdict, ...others];
}
