/** Layout and type of the editor panels; colours are the theme's. */

import { css } from 'lit';
import { selectStyles } from './selectStyles';

export const panelStyles = css`
  :host {
    display: block;
    height: 100vh;
    overflow: auto;
    --glm-muted: var(--vscode-descriptionForeground);
    font-family: var(--vscode-font-family);
    font-size: var(--vscode-font-size);
    line-height: 1.5;
    color: var(--vscode-editor-foreground, var(--vscode-foreground));
    background: var(--vscode-editor-background);
  }
  /* High contrast themes thin the description colour out; contrast matters more there. */
  :host-context(.vscode-high-contrast),
  :host-context(.vscode-high-contrast-light) {
    --glm-muted: var(--vscode-foreground);
  }
  /* For scroll bars and sliders, which the browser draws. */
  :host-context(.vscode-dark),
  :host-context(.vscode-high-contrast) {
    color-scheme: dark;
  }
  :host-context(.vscode-high-contrast-light) {
    color-scheme: light;
  }
  main {
    max-width: 1280px;
    margin: 0 auto;
    padding: 20px clamp(12px, 3vw, 32px) 40px;
  }
  h1 {
    font-size: 1.5em;
    font-weight: 600;
    line-height: 1.3;
    margin: 0;
    overflow-wrap: anywhere;
  }
  h2 {
    font-size: 1.1em;
    font-weight: 600;
    margin: 28px 0 8px;
  }
  p {
    margin: 4px 0;
  }
  header {
    margin-bottom: 18px;
  }
  .tools {
    margin-top: 12px;
  }
  ul {
    margin: 0;
    padding-inline-start: 20px;
    max-width: 90ch;
  }
  dl {
    display: grid;
    grid-template-columns: max-content 1fr;
    gap: 2px 16px;
    margin: 0;
  }
  dt {
    color: var(--glm-muted);
  }
  dd {
    margin: 0;
    min-width: 0;
    overflow-wrap: anywhere;
  }
  figure {
    margin: 0;
    min-width: 0;
  }
  figcaption {
    font-weight: 600;
    margin: 10px 0 4px;
  }
  details > summary {
    cursor: pointer;
    width: fit-content;
    padding: 2px 0;
  }
  details > dl {
    margin: 2px 0 10px 16px;
  }
  label {
    display: inline-flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 2px 8px;
    min-width: 0;
  }
  ${selectStyles}
  .problem {
    display: flex;
    gap: 6px;
    align-items: flex-start;
    margin: 0 0 12px;
    padding: 6px 10px;
    border: 1px solid var(--vscode-inputValidation-errorBorder, var(--vscode-errorForeground));
    border-radius: 4px;
  }
  .problem .icon {
    color: var(--vscode-errorForeground);
  }
  .muted .icon,
  .caution .icon {
    vertical-align: text-bottom;
  }
`;
