/** The icon font and the icons in use. The font is bundled as a data URL: the view loads nothing but its script. */

import { css, html, unsafeCSS, type TemplateResult } from 'lit';
import fontAddress from '../../node_modules/@vscode/codicons/dist/codicon.ttf';

/** Code points from codicons' mapping; a unit test holds them against the installed package. */
export const codePoints = {
  add: 0xea60,
  'arrow-down': 0xea9a,
  'arrow-left': 0xea9b,
  attach: 0xec34,
  check: 0xeab2,
  'chevron-down': 0xeab4,
  'chevron-right': 0xeab6,
  chip: 0xec19,
  close: 0xea76,
  copy: 0xebcc,
  'debug-disconnect': 0xead0,
  edit: 0xea73,
  error: 0xea87,
  file: 0xea7b,
  'folder-opened': 0xeaf7,
  history: 0xea82,
  info: 0xea74,
  insert: 0xec11,
  lightbulb: 0xea61,
  'link-external': 0xeb14,
  'new-file': 0xea7f,
  pass: 0xeba4,
  refresh: 0xeb37,
  search: 0xea6d,
  send: 0xec0f,
  settings: 0xeb52,
  'stop-circle': 0xeba5,
  thinking: 0xec59,
  trash: 0xea81,
  warning: 0xea6c,
} as const;

export type IconName = keyof typeof codePoints;

/** Registers the font with the document: font faces inside shadow roots are ignored. */
export function installIconFont(target: Document): void {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`@font-face { font-family: codicon; font-display: block; src: url("${fontAddress}") format("truetype"); }`);
  target.adoptedStyleSheets = [...target.adoptedStyleSheets, sheet];
}

/** An icon that carries no meaning of its own for assistive technology. */
export function icon(name: IconName): TemplateResult {
  return html`<span class="icon" aria-hidden="true">${String.fromCodePoint(codePoints[name])}</span>`;
}

export const iconStyles = css`
  .icon {
    font: normal normal normal 16px/1 ${unsafeCSS('codicon')};
    display: inline-block;
    flex: none;
    width: 16px;
    height: 16px;
    text-align: center;
    user-select: none;
    -webkit-font-smoothing: antialiased;
  }
`;
