/** What uPlot's elements need to lie where they should. Its own style sheet cannot be used: it sets a font and colours of its own, and shadow trees take none from the page. */

import { css } from 'lit';

export const uplotStyles = css`
  .uplot,
  .uplot *,
  .uplot *::before,
  .uplot *::after {
    box-sizing: border-box;
  }
  .uplot {
    width: min-content;
    line-height: 1.4;
  }
  .u-wrap {
    position: relative;
    user-select: none;
  }
  .u-over,
  .u-under {
    position: absolute;
  }
  .u-under {
    overflow: hidden;
  }
  .uplot canvas {
    display: block;
    position: relative;
    width: 100%;
    height: 100%;
  }
  .u-axis {
    position: absolute;
  }
  .u-legend {
    font-size: 0.92em;
    margin: 2px 0 0;
    text-align: start;
    border-spacing: 0;
  }
  .u-inline {
    display: block;
  }
  .u-inline tbody {
    display: flex;
    flex-wrap: wrap;
    gap: 2px 14px;
  }
  .u-inline tr {
    display: flex;
    align-items: baseline;
  }
  .u-legend th {
    display: flex;
    align-items: baseline;
    font-weight: normal;
    text-align: start;
    cursor: pointer;
    padding: 0;
  }
  .u-legend .u-marker {
    flex: none;
    width: 14px;
    height: 10px;
    margin-inline-end: 4px;
  }
  .u-inline.u-live th::after {
    content: ':';
  }
  .u-legend td {
    padding: 0 0 0 4px;
    font-variant-numeric: tabular-nums;
  }
  .u-series.u-off > * {
    opacity: 0.35;
  }
  .u-select {
    position: absolute;
    pointer-events: none;
    background: transparent;
  }
  .u-cursor-x,
  .u-cursor-y {
    position: absolute;
    left: 0;
    top: 0;
    pointer-events: none;
    will-change: transform;
  }
  .u-cursor-x {
    height: 100%;
    border-inline-end: 1px dashed var(--vscode-editor-foreground);
  }
  .u-cursor-y {
    width: 100%;
    border-block-end: 1px dashed var(--vscode-editor-foreground);
  }
  .u-cursor-pt {
    position: absolute;
    top: 0;
    left: 0;
    border-radius: 50%;
    border: 0 solid;
    pointer-events: none;
    will-change: transform;
    background-clip: padding-box !important;
  }
  .u-axis.u-off,
  .u-select.u-off,
  .u-cursor-x.u-off,
  .u-cursor-y.u-off,
  .u-cursor-pt.u-off {
    display: none;
  }
`;
