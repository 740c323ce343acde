/** Tables of figures: right-aligned numbers, lines between rows, scrolled sideways where the view is narrow. */

import { css } from 'lit';

export const tableStyles = css`
  .scroller {
    overflow-x: auto;
  }
  table {
    border-collapse: collapse;
    font-variant-numeric: tabular-nums;
  }
  th,
  td {
    text-align: start;
    font-weight: normal;
    padding: 3px 14px 3px 0;
    border-bottom: 1px solid var(--vscode-contrastBorder, var(--vscode-editorWidget-border, rgba(128, 128, 128, 0.25)));
    white-space: nowrap;
  }
  thead th {
    color: var(--glm-muted);
    vertical-align: bottom;
  }
  .number {
    text-align: end;
  }
  .meter {
    display: inline-block;
    width: 88px;
    height: 9px;
    vertical-align: baseline;
    border: 1px solid var(--vscode-contrastBorder, transparent);
    background: var(--vscode-editorWidget-background, transparent);
  }
  .meter > span {
    display: block;
    height: 100%;
    background: var(--vscode-charts-blue, currentColor);
  }
  /* Narrow: figures before pictures, and names in several lines rather than figures out of sight. */
  @media (max-width: 420px) {
    .meter {
      display: none;
    }
    th,
    td {
      padding-inline-end: 10px;
    }
    tbody th {
      white-space: normal;
      overflow-wrap: anywhere;
      min-width: 92px;
    }
  }
`;
