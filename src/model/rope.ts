/** Rotary embedding: the table of angles that the attention kernel rotates by. */

import type { GlmConfig } from './config';
import { rotaryFrequencies } from './ropeScaling';

/**
 * cos and sin of position · theta^(-2i / rotaryDim), each `f32[positions, rotaryDim / 2]`; stretched where the model says so.
 * Every step is rounded to f32, as transformers computes it; at position 100,000 that differs from exact angles.
 *
 * @see arXiv 2104.09864; transformers models/glm/modular_glm.py, GlmRotaryEmbedding
 */
export function rotaryTable(config: Pick<GlmConfig, 'rotaryDim' | 'ropeTheta' | 'ropeScaling'>, positions: number): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const half = config.rotaryDim / 2;
  const { inverse, scale } = rotaryFrequencies(config);
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let position = 0; position < positions; position += 1) {
    for (let index = 0; index < half; index += 1) {
      const angle = Math.fround(position * (inverse[index] as number));
      cos[position * half + index] = scale * Math.fround(Math.cos(angle));
      sin[position * half + index] = scale * Math.fround(Math.sin(angle));
    }
  }
  return { cos, sin };
}
