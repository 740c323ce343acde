/**
 * Builds one ONNX graph. Names are paths (`/layers.0/attn/qkv`), every value has a dtype and a shape, and the whole can be dumped as text.
 *
 * Knows ONNX's containers but no operator (see operators.ts) and no model.
 */

import onnxProto from 'onnx-proto';
import { dtypeBytes, onnxElementTypes, type DType } from '../common/dtype';
import { describeValueType, GraphError, type Dim, type GraphValue } from './graphValue';

export type Attribute = { readonly int: number } | { readonly float: number } | { readonly ints: readonly number[] } | { readonly text: string };

/** Where an initializer's bytes lie: in a file that the runtime maps, by a location relative to the folder it is told. */
export interface ExternalData {
  readonly location: string;
  readonly offset: number;
  readonly byteLength: number;
}

export interface NodeSpec {
  /** '' is ONNX's own; 'com.microsoft' the runtime's. */
  readonly domain?: string;
  readonly operator: string;
  /** Also the name of the first output. */
  readonly name: string;
  /** undefined leaves an optional input out. */
  readonly inputs: readonly (GraphValue | undefined)[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** undefined leaves an optional output out. The first is called like the node, others get `:index` unless they bring a name. */
  readonly outputs: readonly ({ readonly dtype: DType; readonly shape: readonly Dim[]; readonly name?: string } | undefined)[];
}

/** A node in a graph: its outputs have names. */
export interface BuiltNode extends NodeSpec {
  readonly outputs: readonly (GraphValue | undefined)[];
}

interface Initializer {
  readonly value: GraphValue;
  readonly external?: ExternalData;
  readonly bytes?: Uint8Array;
}

const { onnx } = onnxProto;
const irVersion = 10;
/** Of operators that this program brings along itself. */
export const ownDomain = 'glm.local';
const opsets = [
  { domain: '', version: 18 },
  { domain: 'com.microsoft', version: 1 },
];

export class GraphBuilder {
  private readonly names = new Set<string>();
  private readonly inputs: GraphValue[] = [];
  private readonly outputs: GraphValue[] = [];
  private readonly initializers: Initializer[] = [];
  private readonly nodes: BuiltNode[] = [];

  constructor(private readonly graphName: string) {}

  /** The nodes so far, in topological order. */
  get builtNodes(): readonly BuiltNode[] {
    return this.nodes;
  }

  addInput(name: string, dtype: DType, shape: readonly Dim[]): GraphValue {
    const value = this.claim(name, dtype, shape);
    this.inputs.push(value);
    return value;
  }

  /** Declares that a value leaves the graph; its name is what a caller binds. */
  addOutput(value: GraphValue): void {
    if (this.outputs.some((output) => output.name === value.name)) {
      throw new GraphError(value.name, 'it is an output already.');
    }
    this.outputs.push(value);
  }

  /** A constant whose bytes stay in a file. Two constants may name the same bytes. */
  addExternalInitializer(name: string, dtype: DType, shape: readonly number[], external: ExternalData): GraphValue {
    const expected = shape.reduce((product, size) => product * size, dtypeBytes[dtype]);
    if (external.byteLength !== expected) {
      throw new GraphError(name, `${external.byteLength} bytes of external data for ${dtype}[${shape.join(',')}], which takes ${expected}.`);
    }
    const value = this.claim(name, dtype, shape);
    this.initializers.push({ value, external });
    return value;
  }

  /** A small constant inside the model. */
  addInitializer(name: string, dtype: DType, shape: readonly number[], array: ArrayBufferView): GraphValue {
    const expected = shape.reduce((product, size) => product * size, dtypeBytes[dtype]);
    if (array.byteLength !== expected) {
      throw new GraphError(name, `${array.byteLength} bytes for ${dtype}[${shape.join(',')}], which takes ${expected}.`);
    }
    const value = this.claim(name, dtype, shape);
    this.initializers.push({ value, bytes: new Uint8Array(array.buffer, array.byteOffset, array.byteLength) });
    return value;
  }

  /** Appends a node; returns its outputs, those left out as undefined. Operands must exist already, so the order is topological. */
  addNode(spec: NodeSpec): readonly (GraphValue | undefined)[] {
    for (const input of spec.inputs) {
      if (input !== undefined && !this.names.has(input.name)) {
        throw new GraphError(spec.name, `its operand ${input.name} does not exist yet.`);
      }
    }
    const outputs = spec.outputs.map((output, index) =>
      output === undefined ? undefined : this.claim(output.name ?? (index === 0 ? spec.name : `${spec.name}:${index}`), output.dtype, output.shape),
    );
    this.nodes.push({ ...spec, outputs });
    return outputs;
  }

  /** Appends a node with exactly one output and returns that. */
  addSingle(spec: NodeSpec): GraphValue {
    const [output] = this.addNode(spec);
    if (output === undefined) {
      throw new GraphError(spec.name, 'its first output is missing.');
    }
    return output;
  }

  /** The model as protobuf bytes, with every tensor of any size outside it. */
  toModelBytes(): Uint8Array {
    const attribute = ([name, value]: [string, Attribute]): onnxProto.onnx.IAttributeProto => {
      const { AttributeType } = onnx.AttributeProto;
      if ('int' in value) {
        return { name, type: AttributeType.INT, i: value.int };
      }
      if ('float' in value) {
        return { name, type: AttributeType.FLOAT, f: value.float };
      }
      if ('ints' in value) {
        return { name, type: AttributeType.INTS, ints: [...value.ints] };
      }
      return { name, type: AttributeType.STRING, s: new TextEncoder().encode(value.text) };
    };
    const valueInfo = (value: GraphValue): onnxProto.onnx.IValueInfoProto => ({
      name: value.name,
      type: {
        tensorType: {
          elemType: onnxElementTypes[value.dtype],
          shape: { dim: value.shape.map((dim) => (typeof dim === 'number' ? { dimValue: dim } : { dimParam: dim })) },
        },
      },
    });
    const tensor = ({ value, external, bytes }: Initializer): onnxProto.onnx.ITensorProto => ({
      name: value.name,
      dataType: onnxElementTypes[value.dtype],
      dims: value.shape as number[],
      ...(external === undefined
        ? { rawData: bytes }
        : {
            dataLocation: onnx.TensorProto.DataLocation.EXTERNAL,
            externalData: [
              { key: 'location', value: external.location },
              { key: 'offset', value: String(external.offset) },
              { key: 'length', value: String(external.byteLength) },
            ],
          }),
    });
    const model = onnx.ModelProto.create({
      irVersion,
      opsetImport: this.nodes.some(({ domain }) => domain === ownDomain) ? [...opsets, { domain: ownDomain, version: 1 }] : opsets,
      producerName: 'glm-local',
      graph: {
        name: this.graphName,
        node: this.nodes.map((node) => ({
          name: node.name,
          opType: node.operator,
          domain: node.domain ?? '',
          input: node.inputs.map((input) => input?.name ?? ''),
          output: node.outputs.map((output) => output?.name ?? ''),
          attribute: Object.entries(node.attributes ?? {}).map(attribute),
        })),
        initializer: this.initializers.map(tensor),
        input: this.inputs.map(valueInfo),
        output: this.outputs.map(valueInfo),
      },
    });
    return onnx.ModelProto.encode(model).finish();
  }

  /**
   * One line for each input, initializer, node and output, in order; the form of the golden files:
   * `/layers.0/input_norm: f32[b,s,64] = SimplifiedLayerNormalization(x, w) epsilon=1e-5`.
   */
  toText(): string {
    const typed = (value: GraphValue): string => `${value.name}: ${describeValueType(value)}`;
    const number = (value: number): string => (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(7))));
    const attributeText = ([name, value]: [string, Attribute]): string => {
      if ('text' in value) {
        return `${name}=${value.text}`;
      }
      const numbers = 'int' in value ? [value.int] : 'float' in value ? [value.float] : value.ints;
      return `${name}=${numbers.map(number).join(',')}`;
    };
    return [
      `graph ${this.graphName}`,
      ...this.inputs.map((value) => `input ${typed(value)}`),
      ...this.initializers.map(({ value, external }) => `weight ${typed(value)}${external === undefined ? ' inline' : ''}`),
      ...this.nodes.map((node) => {
        const outputs = node.outputs.map((output) => (output === undefined ? '_' : typed(output as GraphValue))).join(', ');
        const inputs = node.inputs.map((input) => input?.name ?? '_').join(', ');
        const attributes = Object.entries(node.attributes ?? {}).map(attributeText);
        return [`${outputs} = ${node.operator}(${inputs})`, ...attributes].join(' ');
      }),
      ...this.outputs.map((value) => `output ${typed(value)}`),
      '',
    ].join('\n');
  }

  private claim(name: string, dtype: DType, shape: readonly Dim[]): GraphValue {
    if (name === '' || this.names.has(name)) {
      throw new GraphError(name, name === '' ? 'a value has no name.' : 'the name is taken.');
    }
    this.names.add(name);
    return { name, dtype, shape };
  }
}
