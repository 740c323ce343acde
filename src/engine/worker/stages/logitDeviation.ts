/** Largest absolute difference over the standard deviation of `reference`; infinite when anything is no number. */
export function deviationOf(values: Float32Array, reference: Float32Array): number {
  const mean = reference.reduce((sum, value) => sum + value, 0) / reference.length;
  const variance = reference.reduce((sum, value) => sum + (value - mean) ** 2, 0) / reference.length;
  const largest = reference.reduce((most, value, index) => Math.max(most, Math.abs(value - (values[index] as number))), 0);
  const deviation = largest / Math.sqrt(variance);
  return Number.isFinite(deviation) ? deviation : Infinity;
}
