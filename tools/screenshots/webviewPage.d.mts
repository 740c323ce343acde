import type { Browser, Page } from 'playwright-core';
import type { ViewState } from '../../src/common/protocol/webview';
import type { ScenarioName } from '../../test/webview/support/scenarios';

export function contentPolicy(source: string): string;
export const themeNames: readonly string[];

export interface ViewScripts {
  readonly view: string;
  readonly host: string;
}

export interface ViewOptions {
  readonly scenario: ScenarioName;
  readonly theme?: string;
  readonly width?: number;
  readonly height?: number;
  readonly scale?: number;
  readonly savedState?: unknown;
  readonly isDoorClosed?: boolean;
  readonly change?: Partial<ViewState>;
  readonly reducedMotion?: 'reduce' | 'no-preference';
}

export type ViewPage = Page & { readonly errors: string[]; readonly outside: string[] };

export function launchBrowser(): Promise<Browser>;
export function buildScripts(options?: { readonly minify?: boolean }): Promise<ViewScripts>;
export function viewHtml(options: ViewOptions, source?: string): string;
export function openView(browser: Browser, scripts: ViewScripts, options: ViewOptions): Promise<ViewPage>;
