/** Values of a graph under construction: names with a dtype and a shape, some of whose sizes are known only when it runs. */

import type { DType } from '../common/dtype';
import { GlmError } from '../common/errors';

/** A known size, or the name of one that is known at run time: `b`, `s`. */
export type Dim = number | string;

export interface GraphValue {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

/** `bf16[b,s,64]` */
export function describeValueType(value: Pick<GraphValue, 'dtype' | 'shape'>): string {
  return `${value.dtype}[${value.shape.join(',')}]`;
}

/**
 * A node was given operands that do not fit.
 *
 * Cause: a mistake in a model's description, never in a user's file: those are checked before. Handled by: nobody; it fails the load.
 */
export class GraphError extends GlmError {
  constructor(where: string, problem: string) {
    super('graph-invalid', `The graph cannot be built at ${where}: ${problem} This is a mistake in GLM Local; please report it.`, { fields: { where } });
  }
}

export function assertDtype(where: string, value: GraphValue, ...allowed: readonly DType[]): void {
  if (!allowed.includes(value.dtype)) {
    throw new GraphError(where, `${value.name} is ${value.dtype}, expected ${allowed.join(' or ')}.`);
  }
}

/** Checks a value's shape; `undefined` in `shape` accepts any size. */
export function assertShape(where: string, value: GraphValue, shape: readonly (Dim | undefined)[]): void {
  const fits = value.shape.length === shape.length && shape.every((dim, index) => dim === undefined || dim === value.shape[index]);
  if (!fits) {
    throw new GraphError(where, `${value.name} is ${describeValueType(value)}, expected [${shape.map((dim) => dim ?? '?').join(',')}].`);
  }
}

/** The last size of a value, which must be known. */
export function lastDim(where: string, value: GraphValue): number {
  const dim = value.shape[value.shape.length - 1];
  if (typeof dim !== 'number') {
    throw new GraphError(where, `the last size of ${value.name}, ${describeValueType(value)}, must be a number.`);
  }
  return dim;
}
