/** Native drop-downs in the theme's colours. */

import { css } from 'lit';

export const selectStyles = css`
  select {
    font: inherit;
    max-width: 100%;
    color: var(--vscode-dropdown-foreground);
    background: var(--vscode-dropdown-background);
    border: 1px solid var(--vscode-dropdown-border, var(--vscode-contrastBorder, transparent));
    border-radius: 4px;
    padding: 2px 4px;
  }
  select:focus-visible {
    outline: 1px solid var(--vscode-focusBorder);
  }
`;
