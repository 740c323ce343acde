/** What each node of a stage's graph has to read, write and multiply in a step of given length. Pure arithmetic over the graph's own shapes. */

import { dtypeBytes } from '../../../common/dtype';
import type { BuiltNode } from '../../../onnx/graphBuilder';
import type { GraphValue } from '../../../onnx/graphValue';

export interface NodeWork {
  /** Inputs read once and outputs written; of a table or a cache only the rows in use. */
  readonly bytes?: number;
  /** Multiply-adds count twice; undefined for operators that mostly move bytes. */
  readonly flops?: number;
}

export interface StepExtent {
  /** New positions of one sequence. */
  readonly tokens: number;
  /** Valid positions in the cache before the step. */
  readonly contextTokens: number;
}

/** By node name. */
export function nodeWork(nodes: readonly BuiltNode[], extent: StepExtent): ReadonlyMap<string, NodeWork> {
  const sizes = new Sizes(extent);
  return new Map(nodes.map((node) => [node.name, workOf(node, sizes, extent)]));
}

/** The layer that a node belongs to by its name, also inside names that the runtime makes of ours; undefined for embedding, final norm and head. */
export function layerOfNode(name: string): number | undefined {
  const digits = /layers\.(\d+)/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

function workOf(node: BuiltNode, sizes: Sizes, extent: StepExtent): NodeWork {
  sizes.enter(node);
  switch (node.operator) {
    case 'Gather':
    case 'GatherBlockQuantized': {
      // One row per id: what is written was read, in the table's own format.
      const [table, , scales] = node.inputs;
      const ids = extent.tokens;
      return work(sum([...[table, scales].map((value) => value && rowBytes(value, ids)), ...node.outputs.map((value) => value && sizes.bytes(value))]));
    }
    case 'Slice':
      return work(sum(node.outputs.map((value) => value && sizes.bytes(value)).map((bytes) => bytes && 2 * bytes)));
    case 'GroupQueryAttention':
      return attentionWork(node, sizes, extent);
    case 'Reshape':
    case 'Shape':
      return {};
    default: {
      const bytes = sum([...node.inputs, ...node.outputs].map((value) => value && sizes.bytes(value)));
      return work(bytes, productFlops(node, sizes));
    }
  }
}

function attentionWork(node: BuiltNode, sizes: Sizes, { tokens, contextTokens }: StepExtent): NodeWork {
  const [packed, , , pastKey] = node.inputs;
  const output = node.outputs[0];
  const [numKvHeads, headDim] = [pastKey?.shape[1], pastKey?.shape[3]];
  if (packed === undefined || pastKey === undefined || output === undefined || typeof numKvHeads !== 'number' || typeof headDim !== 'number') {
    return {};
  }
  const positionBytes = 2 * numKvHeads * headDim * dtypeBytes[pastKey.dtype];
  const cacheBytes = positionBytes * (contextTokens + 2 * tokens);
  const width = output.shape[output.shape.length - 1];
  // A token attends to everything before it and to itself: scores and weighted values are a product each.
  const pairs = tokens * contextTokens + (tokens * (tokens + 1)) / 2;
  return work(sum([sizes.bytes(packed), sizes.bytes(output), cacheBytes]), typeof width === 'number' ? 4 * width * pairs : undefined);
}

/** Operators that multiply by weights, and how many products they hold. */
const productsOf: Readonly<Record<string, number>> = { FusedMatMul: 1, MatMul: 1, Gemm: 1, MatMulNBits: 1, MatMulNBitsMlp: 2 };

/** Of y = x · w: two per output element and input feature. */
function productFlops(node: BuiltNode, sizes: Sizes): number | undefined {
  const output = node.outputs[0];
  const x = node.inputs[0];
  const features = x?.shape[x.shape.length - 1];
  const products = productsOf[node.operator];
  if (products === undefined || output === undefined || typeof features !== 'number') {
    return undefined;
  }
  const elements = sizes.elements(output);
  return elements === undefined ? undefined : 2 * products * features * elements;
}

function rowBytes(table: GraphValue, rows: number): number | undefined {
  const width = table.shape[1];
  return typeof width === 'number' ? rows * width * dtypeBytes[table.dtype] : undefined;
}

/** Undefined as soon as one part is unknown for a reason; absent optional operands count nothing. */
function sum(parts: readonly (number | undefined)[]): number | undefined {
  let total = 0;
  for (const part of parts) {
    if (part !== undefined && Number.isNaN(part)) {
      return undefined;
    }
    total += part ?? 0;
  }
  return total;
}

function work(bytes: number | undefined, flops?: number): NodeWork {
  return { ...(bytes === undefined ? {} : { bytes }), ...(flops === undefined ? {} : { flops }) };
}

/** Sizes of values with the names of dimensions replaced: `b` sequences, `s` new positions, `p` positions whose logits are wanted, `rows` of a folded tensor. */
class Sizes {
  private readonly rows = new Map<string, number>();

  constructor(private readonly extent: StepExtent) {}

  /** A folded tensor has as many rows as what it was made of. */
  enter({ inputs, outputs }: BuiltNode): void {
    const x = inputs[0];
    const lead = x === undefined ? undefined : this.product(x, x.shape.slice(0, -1));
    for (const output of outputs) {
      if (lead !== undefined && output?.shape[0] === 'rows') {
        this.rows.set(output.name, lead);
      }
    }
  }

  elements(value: GraphValue): number | undefined {
    return this.product(value, value.shape);
  }

  /** NaN where a dimension is not known. */
  bytes(value: GraphValue): number {
    return (this.elements(value) ?? NaN) * dtypeBytes[value.dtype];
  }

  private product(value: GraphValue, shape: GraphValue['shape']): number | undefined {
    let product = 1;
    for (const dim of shape) {
      const size = typeof dim === 'number' ? dim : { b: 1, s: this.extent.tokens, p: 1, rows: this.rows.get(value.name) }[dim];
      if (size === undefined) {
        return undefined;
      }
      product *= size;
    }
    return product;
  }
}
