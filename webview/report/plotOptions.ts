/** uPlot's options for a plot: colours of the theme, dashes that tell lines apart without colour, markers. */

import uPlot from 'uplot';
import { shown, type PlotMarker, type PlotSpec } from './plotData';

export interface PlotColours {
  readonly text: string;
  readonly grid: string;
  readonly marker: string;
  readonly font: string;
  readonly series: readonly string[];
}

/** Without orange, which is a third as opaque in the light themes. */
const seriesVariables = ['blue', 'green', 'purple', 'red', 'yellow'];
const halfDaySeconds = 12 * 3600;
const dashes: readonly number[][] = [[], [8, 4], [2, 3], [10, 3, 2, 3]];

/** The theme's values where `element` is. */
export function readPlotColours(element: Element): PlotColours {
  const style = getComputedStyle(element);
  const read = (name: string, fallback: string): string => style.getPropertyValue(name).trim() || fallback;
  const text = read('--vscode-editor-foreground', read('--vscode-foreground', '#888'));
  return {
    text,
    grid: read('--vscode-contrastBorder', read('--vscode-editorWidget-border', 'rgba(128, 128, 128, 0.3)')),
    marker: text,
    font: `11px ${read('--vscode-font-family', 'sans-serif')}`,
    series: seriesVariables.map((name) => read(`--vscode-charts-${name}`, text)),
  };
}

export function plotOptions(spec: PlotSpec, colours: PlotColours): Omit<uPlot.Options, 'width' | 'height'> {
  const axis = (label: string, extra: Partial<uPlot.Axis>): uPlot.Axis => ({
    label,
    stroke: colours.text,
    font: colours.font,
    labelFont: colours.font,
    labelSize: 18,
    grid: { stroke: colours.grid, width: 0.5 },
    ticks: { stroke: colours.grid, width: 0.5 },
    ...extra,
  });
  return {
    // Half a step of room keeps the first and the last point and bar whole.
    scales: { x: { time: spec.xKind === 'time', range: (_chart, min, max) => padded(spec, min, max) }, y: { range: (_chart, min, max) => valueRange(spec, min, max) } },
    axes: [
      axis(spec.xLabel, spec.xKind === 'count' ? { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500] } : {}),
      axis(spec.yLabel, { size: 56, values: (_chart, values) => values.map(shown) }),
    ],
    legend: { show: spec.series.length > 1 },
    cursor: { y: false, drag: { x: false, y: false } },
    series: [
      { label: spec.xLabel, value: (_chart, x) => (x === null ? '' : spec.xKind === 'time' ? new Date(x * 1000).toLocaleString() : shown(x)) },
      ...spec.series.map((series, index): uPlot.Series => {
        const colour = colours.series[index % colours.series.length] ?? colours.text;
        return {
          label: series.label,
          stroke: colour,
          width: 1.5,
          // Null while nothing is pointed at, too.
          value: (_chart, value) => (value === null ? '' : shown(value)),
          ...(spec.kind === 'bars'
            ? { fill: colour, width: 0, paths: uPlot.paths.bars?.({ size: [0.9, 60] }), points: { show: false } }
            : { dash: dashes[Math.floor(index / colours.series.length + index) % dashes.length], points: { show: true, size: 7, fill: colour } }),
        };
      }),
    ],
    hooks: { draw: [(chart) => drawMarkers(chart, spec.markers ?? [], colours)] },
  };
}

export function padded(spec: PlotSpec, min: number, max: number): uPlot.Range.MinMax {
  const [first = min, second] = spec.x;
  if (second === undefined) {
    // For a single moment the library asks for some years, which would put it at their edge.
    const half = spec.xKind === 'time' ? halfDaySeconds : Math.max(1e-3, Math.abs(first) * 0.1);
    return [first - half, Math.max(first, ...(spec.markers ?? []).map((marker) => marker.x)) + half];
  }
  const step = spec.kind === 'bars' ? second - first : (max - min) * 0.04;
  const right = Math.max(max, ...(spec.markers ?? []).map((marker) => marker.x));
  return [min - step / 2, right + step / 2];
}

/** Bars start at 0. Lines show at least ± 5 %, so that noise does not look like news. */
function valueRange(spec: PlotSpec, min: number | null, max: number | null): uPlot.Range.MinMax {
  if (min === null || max === null) {
    return [0, 1];
  }
  if (spec.kind === 'bars') {
    return [0, max * 1.08];
  }
  const middle = (min + max) / 2;
  const half = Math.max((max - min) * 0.6, Math.abs(middle) * 0.05, 1e-9);
  return [Math.max(0, middle - half), middle + half];
}

/** Dashed lines; labels step down where they would touch. */
function drawMarkers(chart: uPlot, markers: readonly PlotMarker[], colours: PlotColours): void {
  const { ctx, bbox } = chart;
  const ratio = uPlot.pxRatio;
  ctx.save();
  ctx.strokeStyle = colours.marker;
  ctx.fillStyle = colours.marker;
  ctx.lineWidth = ratio;
  ctx.setLineDash([4 * ratio, 3 * ratio]);
  ctx.font = colours.font.replace(/^\d+/, (size) => String(Number(size) * ratio));
  ctx.textAlign = 'left';
  ctx.textBaseline = 'top';
  let row = 0;
  let lastEnd = -Infinity;
  for (const { x, label } of markers) {
    const at = chart.valToPos(x, 'x', true);
    const text = `${label} ${shown(x)}`;
    const width = ctx.measureText(text).width;
    // Near the right edge the text goes to the left of its line.
    const start = at + 4 * ratio + width > bbox.left + bbox.width ? at - 4 * ratio - width : at + 4 * ratio;
    row = start < lastEnd ? row + 1 : 0;
    lastEnd = Math.max(lastEnd, start + width + 6 * ratio);
    ctx.beginPath();
    ctx.moveTo(at, bbox.top);
    ctx.lineTo(at, bbox.top + bbox.height);
    ctx.stroke();
    ctx.fillText(text, start, bbox.top + (2 + row * 14) * ratio);
  }
  ctx.restore();
}
