/**
 * Scales of a KV cache of eight bits: one per channel of each head, from keys and values that a text produced. Pure.
 *
 * The runtime's attention takes them as constants of the graph, so they must be known before the text that is being read. Values beyond what was seen are
 * clamped, which the headroom makes rare. A rotated pair of a key only turns with its position, so both of its channels get the scale of the pair's length.
 */

/** The scales of one layer, f32[numKvHeads, headDim] each: a stored number times its scale is the value. */
export interface LayerKvScales {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** By the layer's index in the whole model. */
export type KvScales = readonly LayerKvScales[];

/** Keys and values of some positions of one layer, f32[numKvHeads, positions, headDim] each, keys rotated. */
export interface LayerKeysAndValues {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

export interface KvShape {
  readonly numLayers: number;
  readonly numKvHeads: number;
  readonly headDim: number;
  readonly rotaryDim: number;
}

/** How far beyond the largest value seen a channel reaches. */
export const kvHeadroom = 1.25;
const largestCode = 127;

/** Collects how large keys and values get. */
export class KvMagnitudes {
  private readonly layers: readonly { readonly key: Float32Array; readonly value: Float32Array }[];

  constructor(private readonly shape: KvShape) {
    const channels = shape.numKvHeads * shape.headDim;
    this.layers = Array.from({ length: shape.numLayers }, () => ({ key: new Float32Array(channels), value: new Float32Array(channels) }));
  }

  add(layerIndex: number, { key, value }: LayerKeysAndValues): void {
    const largest = this.layers[layerIndex];
    if (largest === undefined) {
      throw new RangeError(`layer ${layerIndex} of ${this.layers.length}`);
    }
    this.raise(largest.key, key, this.shape.rotaryDim);
    this.raise(largest.value, value, 0);
  }

  /** @param headroom  Times the largest value seen. */
  scales(headroom = kvHeadroom): KvScales {
    return this.layers.map(({ key, value }) => ({ key: toScales(key, headroom), value: toScales(value, headroom) }));
  }

  private raise(largest: Float32Array, values: Float32Array, pairedChannels: number): void {
    const { numKvHeads, headDim } = this.shape;
    const positions = values.length / (numKvHeads * headDim);
    for (let head = 0; head < numKvHeads; head += 1) {
      for (let position = 0; position < positions; position += 1) {
        const at = (head * positions + position) * headDim;
        for (let channel = 0; channel < headDim; channel += 1) {
          const own = values[at + channel] as number;
          const size = channel < pairedChannels ? Math.hypot(own, values[at + (channel ^ 1)] as number) : Math.abs(own);
          const slot = head * headDim + channel;
          // NaN never raises: a model that computes NaN has worse faults than its scales.
          if (size > (largest[slot] as number)) {
            largest[slot] = size;
          }
        }
      }
    }
  }
}

/** A channel that stayed at zero gets a scale of no consequence, since the runtime divides by it. */
function toScales(largest: Float32Array, headroom: number): Float32Array {
  const most = largest.reduce((top, value) => Math.max(top, value), 0) || 1;
  return largest.map((value) => (Math.max(value, most * 1e-5) * headroom) / largestCode);
}
