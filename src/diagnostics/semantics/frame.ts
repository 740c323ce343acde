/** Activations of modules, functions and classes. */
import type { Value } from './values';

export interface Frame {
  readonly id: number;
  readonly kind: 'module' | 'function' | 'class';
  /** Where free names are looked up. */
  readonly parent?: Frame;
  /** Names that ever held a model or an object here; their values are in the state. */
  readonly modelNames: Set<string>;
  readonly globals: Set<string>;
  readonly nonlocals: Set<string>;
  /** Where a function that is no method begins in the text. */
  readonly plainFunction?: number;
  /** The `self` of a method, with its parameter name. */
  self?: { readonly name: string; readonly value: Value };
}

/** The frame that module-level names belong to. */
export function moduleFrameOf(frame: Frame): Frame {
  let current = frame;
  while (current.parent) {
    current = current.parent;
  }
  return current;
}

export function variableKey(frame: Frame, name: string): string {
  return `${frame.id}.${name}`;
}
