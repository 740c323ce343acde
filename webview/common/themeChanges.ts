/** Tells an element that paints for itself when the theme changes: the editor changes it by changing the document's attributes. */

import type { ReactiveController, ReactiveControllerHost } from 'lit';

export class ThemeChanges implements ReactiveController {
  private readonly observer: MutationObserver;

  constructor(element: ReactiveControllerHost, onChange: () => void) {
    this.observer = new MutationObserver(onChange);
    element.addController(this);
  }

  hostConnected(): void {
    this.observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
    this.observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
  }

  hostDisconnected(): void {
    this.observer.disconnect();
  }
}
