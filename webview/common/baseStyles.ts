/** What every component of the views starts from. Colours are theme variables only, so that each theme, high contrast included, stays itself. */

import { css, type CSSResult } from 'lit';
import { iconStyles } from './codicons';

const base = css`
  :host {
    box-sizing: border-box;
  }
  *,
  *::before,
  *::after {
    box-sizing: inherit;
  }
  [hidden] {
    display: none !important;
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .muted {
    color: var(--glm-muted);
  }
  .numbers {
    font-variant-numeric: tabular-nums;
  }
  .row {
    display: flex;
    align-items: center;
    gap: 6px;
    flex-wrap: wrap;
  }
  :where(button.plain) {
    font: inherit;
    color: inherit;
    background: none;
    border: none;
    padding: 0;
    text-align: start;
    cursor: pointer;
    border-radius: 4px;
  }
  :where(button.link) {
    font: inherit;
    color: var(--vscode-textLink-foreground);
    background: none;
    border: none;
    padding: 0;
    cursor: pointer;
    text-align: start;
  }
  button.link:hover {
    color: var(--vscode-textLink-activeForeground);
    text-decoration: underline;
  }
  button:focus-visible,
  summary:focus-visible,
  a:focus-visible,
  [tabindex]:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
    outline-offset: 1px;
  }
  vscode-button::part(control) {
    white-space: nowrap;
  }
  vscode-button:not([appearance='icon'])::part(control) {
    padding: 3px 10px;
    border-radius: 4px;
  }
  vscode-button:not([appearance='icon']) {
    border-radius: 4px;
  }
  vscode-button[appearance='secondary'] {
    box-shadow: inset 0 0 0 1px var(--vscode-button-secondaryBorder, transparent);
  }
  @media (prefers-reduced-motion: reduce) {
    *,
    *::before,
    *::after {
      animation-duration: 0.001ms !important;
      animation-iteration-count: 1 !important;
      transition-duration: 0.001ms !important;
    }
  }
  :host-context(.vscode-reduce-motion) * {
    animation-duration: 0.001ms !important;
    animation-iteration-count: 1 !important;
    transition-duration: 0.001ms !important;
  }
`;

export const baseStyles: readonly CSSResult[] = [base, iconStyles];
