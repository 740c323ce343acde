/** Root mean square of the difference over the standard deviation of the reference, and whether both agree on the best token. */
export function compareLogits(logits: readonly number[], reference: readonly number[]): { readonly rms: number; readonly sameTop: boolean } {
  const mean = reference.reduce((sum, value) => sum + value, 0) / reference.length;
  const std = Math.sqrt(reference.reduce((sum, value) => sum + (value - mean) ** 2, 0) / reference.length);
  const rms = Math.sqrt(reference.reduce((sum, value, i) => sum + ((logits[i] ?? NaN) - value) ** 2, 0) / reference.length);
  const best = (values: readonly number[]): number => values.reduce((top, value, i) => (value > (values[top] ?? -Infinity) ? i : top), 0);
  return { rms: rms / std, sameTop: best(logits) === best(reference) };
}
