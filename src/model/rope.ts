/** Rotary embedding: the table of angles that the attention kernel rotates by. */

import type { GlmConfig } from './config';

/**
 * cos and sin of position · theta^(-2i / rotaryDim), each `f32[positions, rotaryDim / 2]`.
 * Every step is rounded to f32, as transformers computes it; at position 100,000 that differs from exact angles.
 *
 * @see arXiv 2104.09864; transformers models/glm/modular_glm.py, GlmRotaryEmbedding
 */
export function rotaryTable(config: Pick<GlmConfig, 'rotaryDim' | 'ropeTheta'>, positions: number): { readonly cos: Float32Array; readonly sin: Float32Array } {
  const half = config.rotaryDim / 2;
  const inverseFrequencies = Float32Array.from({ length: half }, (_, index) => 1 / Math.fround(config.ropeTheta ** Math.fround((2 * index) / config.rotaryDim)));
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let position = 0; position < positions; position += 1) {
    for (let index = 0; index < half; index += 1) {
      const angle = Math.fround(position * (inverseFrequencies[index] as number));
      cos[position * half + index] = Math.cos(angle);
      sin[position * half + index] = Math.sin(angle);
    }
  }
  return { cos, sin };
}
