/**
 * Sets CSS properties of an element from a template.
 *
 * Lit's styleMap writes a style *attribute* on first render, which the content policy forbids; this goes through the CSSOM only.
 */

import { noChange } from 'lit';
import { Directive, directive, PartType, type ElementPart, type PartInfo } from 'lit/directive.js';

type Properties = Readonly<Record<string, string | undefined>>;

class CssPropertiesDirective extends Directive {
  private previous: Properties = {};

  constructor(info: PartInfo) {
    super(info);
    if (info.type !== PartType.ELEMENT) {
      throw new Error('cssProperties() belongs inside a tag, not into an attribute or text.');
    }
  }

  render(_properties: Properties): typeof noChange {
    return noChange;
  }

  override update(part: ElementPart, [properties]: [Properties]): typeof noChange {
    const { style } = part.element as HTMLElement;
    for (const [name, value] of Object.entries(properties)) {
      if (value !== this.previous[name]) {
        if (value === undefined) {
          style.removeProperty(name);
        } else {
          style.setProperty(name, value);
        }
      }
    }
    this.previous = properties;
    return noChange;
  }
}

/** `<div ${cssProperties({ width: '40%' })}>` */
export const cssProperties = directive(CssPropertiesDirective);
