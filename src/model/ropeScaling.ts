/** Rotary embeddings stretched over a longer context than the model was trained on: `rope_scaling` of config.json. */

/** Arithmetic as in transformers, see `rope.ts`. */
export type RopeScaling =
  /** All angles divided by `factor`. */
  | { readonly kind: 'linear'; readonly factor: number }
  /** Slow angles divided by `factor`, fast ones kept, those between blended; and everything rotated scaled by `attentionFactor`. arXiv 2309.00071 */
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      readonly attentionFactor: number;
      /** Rotations within the original context above which an angle is kept, and below which it is divided. */
      readonly betaFast: number;
      readonly betaSlow: number;
      readonly originalContextTokens: number;
      /** Whether the blend begins and ends at whole dimensions. */
      readonly truncates: boolean;
    };

/** What a dimension pair is turned by per position. */
export interface RotaryFrequencies {
  /** f32[rotaryDim / 2] */
  readonly inverse: Float32Array;
  /** Multiplies cos and sin. */
  readonly scale: number;
}

/**
 * Every step is rounded to f32, as transformers computes it.
 *
 * @see transformers modeling_rope_utils.py, _compute_linear_scaling_rope_parameters and _compute_yarn_parameters
 */
export function rotaryFrequencies({ rotaryDim, ropeTheta, ropeScaling }: { readonly rotaryDim: number; readonly ropeTheta: number; readonly ropeScaling?: RopeScaling }): RotaryFrequencies {
  const wavelengths = Float32Array.from({ length: rotaryDim / 2 }, (_, index) => ropeTheta ** Math.fround((2 * index) / rotaryDim));
  const kept = wavelengths.map((wavelength) => 1 / wavelength);
  switch (ropeScaling?.kind) {
    case undefined:
      return { inverse: kept, scale: 1 };
    case 'linear':
      return { inverse: kept.map((frequency) => frequency / ropeScaling.factor), scale: 1 };
    case 'yarn': {
      const { factor, betaFast, betaSlow, originalContextTokens, truncates } = ropeScaling;
      const dimensionOf = (rotations: number): number => (rotaryDim * Math.log(originalContextTokens / (rotations * 2 * Math.PI))) / (2 * Math.log(ropeTheta));
      const from = Math.max(truncates ? Math.floor(dimensionOf(betaFast)) : dimensionOf(betaFast), 0);
      const end = Math.min(truncates ? Math.ceil(dimensionOf(betaSlow)) : dimensionOf(betaSlow), rotaryDim - 1);
      const span = Math.fround(end === from ? 0.001 : end - from);
      const inverse = kept.map((frequency, index) => {
        const ramp = Math.min(Math.max(Math.fround(Math.fround(index - Math.fround(from)) / span), 0), 1);
        const keptShare = Math.fround(1 - ramp);
        const divided = Math.fround(1 / Math.fround(Math.fround(factor) * (wavelengths[index] as number)));
        return Math.fround(divided * Math.fround(1 - keptShare)) + Math.fround(frequency * keptShare);
      });
      return { inverse, scale: ropeScaling.attentionFactor };
    }
    default:
      return ropeScaling satisfies never;
  }
}
