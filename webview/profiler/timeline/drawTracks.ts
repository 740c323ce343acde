/** Draws the timeline's tracks onto a canvas. Everything that is drawn can also be read as text elsewhere on the page. */

import { firstAtOrAfter, indexAt, visitColumns } from './decimate';
import { formatMoment, timeTicks, type TimeWindow } from './timeWindow';
import type { CurveTrack, LaneTrack, Tone, Track } from './tracks';

export interface TimelineColours {
  readonly text: string;
  readonly muted: string;
  readonly grid: string;
  readonly background: string;
  readonly font: string;
  readonly tones: Readonly<Record<Tone, string>>;
}

export interface TimelineFrame {
  readonly tracks: readonly Track[];
  readonly window: TimeWindow;
  /** In CSS pixels. */
  readonly width: number;
  /** Where the pointer or the keyboard reads. */
  readonly cursorMs?: number;
}

const titleHeight = 15;
const gapHeight = 7;
const axisHeight = 18;
const plotHeights: Readonly<Record<Track['kind'], number>> = { stack: 52, line: 34, lane: 12 };

export function timelineHeight(tracks: readonly Track[]): number {
  return tracks.reduce((sum, track) => sum + titleHeight + plotHeights[track.kind] + gapHeight, 0) + axisHeight;
}

/** The theme's values where `element` is. */
export function readTimelineColours(element: Element): TimelineColours {
  const style = getComputedStyle(element);
  const read = (name: string, fallback: string): string => style.getPropertyValue(name).trim() || fallback;
  const text = read('--vscode-editor-foreground', read('--vscode-foreground', '#888'));
  const chart = (name: string): string => read(`--vscode-charts-${name}`, text);
  const muted = read('--glm-muted', text);
  return {
    text,
    muted,
    grid: read('--vscode-contrastBorder', read('--vscode-editorWidget-border', 'rgba(128, 128, 128, 0.35)')),
    background: read('--vscode-editor-background', '#000'),
    font: `11px ${read('--vscode-font-family', 'sans-serif')}`,
    tones: {
      weights: chart('blue'),
      // Orange is nearly black in some themes and missing in others.
      kv: chart('yellow'),
      activations: chart('purple'),
      others: read('--vscode-disabledForeground', muted),
      line: chart('green'),
      queue: muted,
      tokenize: chart('purple'),
      prefill: chart('blue'),
      decode: chart('green'),
      copy: chart('red'),
      sample: chart('yellow'),
      detokenize: chart('purple'),
    },
  };
}

export function drawTimeline(ctx: CanvasRenderingContext2D, { tracks, window, width, cursorMs }: TimelineFrame, colours: TimelineColours): void {
  const xOf = (timeMs: number): number => ((timeMs - window.startMs) / (window.endMs - window.startMs)) * width;
  const height = timelineHeight(tracks);
  ctx.clearRect(0, 0, width, height);
  ctx.font = colours.font;
  ctx.lineWidth = 1;
  drawAxis(ctx, window, width, height, xOf, colours);
  let top = 0;
  for (const track of tracks) {
    const plotTop = top + titleHeight;
    const plotHeight = plotHeights[track.kind];
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, plotTop, width, plotHeight);
    ctx.clip();
    if (track.kind === 'lane') {
      drawLane(ctx, track, window, xOf, plotTop, plotHeight, colours);
    } else {
      drawCurves(ctx, track, { window, width, xOf, top: plotTop, bottom: plotTop + plotHeight }, colours);
    }
    ctx.restore();
    ctx.fillStyle = colours.grid;
    ctx.fillRect(0, plotTop + plotHeight, width, 1);
    drawTitle(ctx, track, cursorMs ?? window.endMs, width, top, colours);
    top = plotTop + plotHeight + gapHeight;
  }
  if (cursorMs !== undefined) {
    ctx.strokeStyle = colours.text;
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.moveTo(Math.round(xOf(cursorMs)) + 0.5, 0);
    ctx.lineTo(Math.round(xOf(cursorMs)) + 0.5, height - axisHeight);
    ctx.stroke();
    ctx.setLineDash([]);
  }
}

/** What a track says at one moment, in words. */
export function readTrack(track: Track, timeMs: number): string {
  if (track.kind === 'lane') {
    const index = indexAt(track.starts, timeMs);
    return index >= 0 && (track.ends[index] as number) >= timeMs ? track.describe(index) : '';
  }
  const index = indexAt(track.times, timeMs);
  const valueOf = (values: Float64Array): number | undefined => {
    const value = values[index];
    return value === undefined || Number.isNaN(value) ? undefined : value;
  };
  return track.series.length === 1
    ? track.format(valueOf((track.series[0] as CurveTrack['series'][number]).values))
    : track.series.map(({ label, values }) => `${label} ${track.format(valueOf(values))}`).join(', ');
}

function drawTitle(ctx: CanvasRenderingContext2D, track: Track, timeMs: number, width: number, top: number, colours: TimelineColours): void {
  ctx.textBaseline = 'middle';
  ctx.textAlign = 'left';
  ctx.fillStyle = colours.text;
  const middle = top + titleHeight / 2 + 1;
  ctx.fillText(track.title, 0, middle);
  let left = ctx.measureText(track.title).width + 12;
  if (track.kind !== 'stack') {
    const text = readTrack(track, timeMs);
    ctx.textAlign = 'right';
    ctx.fillStyle = colours.muted;
    if (left + ctx.measureText(text).width <= width) {
      ctx.fillText(text, width, middle);
    }
    return;
  }
  // The legend carries the values: a swatch, a name, an amount. What does not fit is left out from the right; the text under the timeline has all of it.
  const index = indexAt(track.times, timeMs);
  for (const { label, tone, values } of track.series) {
    const value = values[index];
    const text = `${label} ${track.format(value === undefined || Number.isNaN(value) ? undefined : value)}`;
    const end = left + 12 + ctx.measureText(text).width;
    if (end > width) {
      return;
    }
    ctx.fillStyle = colours.tones[tone];
    ctx.fillRect(left, middle - 4, 8, 8);
    ctx.fillStyle = colours.muted;
    ctx.fillText(text, left + 12, middle);
    left = end + 10;
  }
}

/** Where a track's curves go, in CSS pixels. */
interface PlotArea {
  readonly window: TimeWindow;
  readonly width: number;
  readonly xOf: (timeMs: number) => number;
  readonly top: number;
  readonly bottom: number;
}

interface Plot extends PlotArea {
  readonly yOf: (value: number) => number;
}

function drawCurves(ctx: CanvasRenderingContext2D, track: CurveTrack, area: PlotArea, colours: TimelineColours): void {
  const highest = track.top ?? visibleMaximum(track, area.window);
  const plot: Plot = { ...area, yOf: (value) => area.bottom - Math.min(1, highest > 0 ? value / highest : 0) * (area.bottom - area.top - 1) };
  if (track.kind === 'line') {
    const [series] = track.series;
    if (series !== undefined) {
      drawLine(ctx, track.times, series.values, plot, colours.tones[series.tone]);
    }
    return;
  }
  const sums = stackSums(track);
  // From the top down, so that each area covers what lies under it.
  for (let i = track.series.length - 1; i >= 0; i -= 1) {
    drawArea(ctx, track.times, sums[i] as Float64Array, plot, colours.tones[(track.series[i] as CurveTrack['series'][number]).tone]);
  }
}

const sumsOf = new WeakMap<CurveTrack, readonly Float64Array[]>();

/** Running sums over the series; a reading that could not be had adds nothing. Computed once per track. */
function stackSums(track: CurveTrack): readonly Float64Array[] {
  const known = sumsOf.get(track);
  if (known !== undefined) {
    return known;
  }
  let below: Float64Array | undefined;
  const sums = track.series.map(({ values }) => {
    const lower = below;
    below = values.map((value, index) => (Number.isNaN(value) ? 0 : value) + (lower?.[index] ?? 0));
    return below;
  });
  sumsOf.set(track, sums);
  return sums;
}

function visibleMaximum(track: CurveTrack, { startMs, endMs }: TimeWindow): number {
  const [from, until] = [Math.max(0, firstAtOrAfter(track.times, startMs) - 1), firstAtOrAfter(track.times, endMs)];
  let most = 0;
  for (const { values } of track.series) {
    for (let i = from; i < until; i += 1) {
      most = (values[i] as number) > most ? (values[i] as number) : most;
    }
  }
  return most * 1.1;
}

/** Where there is about a reading for each column of pixels, columns are filled as they are: a path of thousands of corners takes many times as long to fill. */
function isDense(times: Float64Array, { startMs, endMs }: TimeWindow, width: number): boolean {
  return firstAtOrAfter(times, endMs) - firstAtOrAfter(times, startMs) > width;
}

function drawLine(ctx: CanvasRenderingContext2D, times: Float64Array, values: Float64Array, plot: Plot, colour: string): void {
  const { window, xOf, yOf } = plot;
  if (isDense(times, window, plot.width)) {
    ctx.fillStyle = colour;
    let [before, beforeX] = [NaN, NaN];
    visitColumns(times, values, window.startMs, window.endMs, xOf, (x, low, high, last) => {
      if (!Number.isNaN(low)) {
        // From where the column before ended, so that steep parts and columns without a reading leave no holes.
        const [from, until] = [yOf(before > high ? before : high), yOf(before < low ? before : low)];
        const left = Number.isNaN(before) ? x : beforeX + 1;
        ctx.fillRect(left, Math.round(from) - 1, x + 1 - left, Math.max(1.5, Math.round(until - from) + 1));
      }
      [before, beforeX] = [last, x];
    });
    return;
  }
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1.5;
  ctx.beginPath();
  let isDown = false;
  visitColumns(times, values, window.startMs, window.endMs, xOf, (x, low, high, last) => {
    if (Number.isNaN(low)) {
      isDown = false;
      return;
    }
    if (isDown) {
      ctx.lineTo(x + 0.5, yOf(high));
    } else {
      ctx.moveTo(x + 0.5, yOf(high));
      isDown = true;
    }
    if (low !== high) {
      ctx.lineTo(x + 0.5, yOf(low));
    }
    if (Number.isNaN(last)) {
      isDown = false;
    } else if (last !== low) {
      ctx.lineTo(x + 0.5, yOf(last));
    }
  });
  ctx.stroke();
  ctx.lineWidth = 1;
}

function drawArea(ctx: CanvasRenderingContext2D, times: Float64Array, values: Float64Array, plot: Plot, colour: string): void {
  const { window, xOf, yOf, bottom } = plot;
  ctx.fillStyle = colour;
  if (isDense(times, window, plot.width)) {
    // Columns of one height become one rectangle.
    let [from, until, top] = [0, 0, NaN];
    const flush = (): void => {
      if (top < bottom) {
        ctx.fillRect(from, top, until - from, bottom - top);
      }
    };
    visitColumns(times, values, window.startMs, window.endMs, xOf, (x, _low, high) => {
      const y = Math.round(yOf(high));
      if (y !== top) {
        flush();
        [from, top] = [Number.isNaN(top) ? x : until, y];
      }
      until = x + 1;
    });
    flush();
    return;
  }
  ctx.beginPath();
  let first = NaN;
  let lastX = NaN;
  visitColumns(times, values, window.startMs, window.endMs, xOf, (x, _low, high) => {
    if (Number.isNaN(first)) {
      first = x;
      ctx.moveTo(x, bottom);
    }
    ctx.lineTo(x, yOf(high));
    lastX = x;
  });
  if (!Number.isNaN(lastX)) {
    ctx.lineTo(lastX, bottom);
    ctx.closePath();
    ctx.fill();
  }
}

function drawLane(ctx: CanvasRenderingContext2D, track: LaneTrack, { startMs, endMs }: TimeWindow, xOf: (timeMs: number) => number, plotTop: number, plotHeight: number, colours: TimelineColours): void {
  ctx.fillStyle = colours.tones[track.tone];
  const { starts, ends } = track;
  let i = Math.max(0, firstAtOrAfter(starts, startMs) - 1);
  let drawnUntil = -Infinity;
  for (; i < starts.length && (starts[i] as number) < endMs; i += 1) {
    const from = Math.max(xOf(starts[i] as number), drawnUntil);
    const until = xOf(ends[i] as number);
    // Steps that share a pixel are drawn once; a gap of a pixel keeps neighbours apart where they are wide enough.
    if (until > drawnUntil) {
      const width = until - from;
      ctx.fillRect(from, plotTop, Math.max(1, width > 3 ? width - 1 : width), plotHeight);
      drawnUntil = Math.max(until, from + 1);
    }
  }
}

function drawAxis(ctx: CanvasRenderingContext2D, window: TimeWindow, width: number, height: number, xOf: (timeMs: number) => number, colours: TimelineColours): void {
  const { ticks, stepMs } = timeTicks(window, Math.max(2, Math.floor(width / 92)));
  ctx.textBaseline = 'bottom';
  for (const tick of ticks) {
    const x = Math.round(xOf(tick));
    ctx.fillStyle = colours.grid;
    ctx.fillRect(x, 0, 0.5, height - axisHeight + 3);
    const text = formatMoment(tick, stepMs);
    const half = ctx.measureText(text).width / 2;
    ctx.fillStyle = colours.muted;
    ctx.textAlign = 'center';
    ctx.fillText(text, Math.min(width - half, Math.max(half, x)), height - 1);
  }
}
