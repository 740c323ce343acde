/** f32 ↔ f16 and bf16, rounding to nearest even as PyTorch does. Arrays hold raw bits: Node 20 has no Float16Array. */

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** The bf16 bits of a number. */
export function toBf16Bits(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0] as number;
  if ((bits & 0x7fffffff) > 0x7f800000) {
    return ((bits >>> 16) | 0x40) & 0xffff;
  }
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The number that bf16 bits mean. */
export function fromBf16Bits(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratch[0] as number;
}

/** The f16 bits of a number; beyond 65,504 it is infinite, below 2^-24 zero. */
export function toF16Bits(value: number): number {
  scratch[0] = value;
  const bits = scratchBits[0] as number;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) {
    return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  }
  if (magnitude >= 0x477ff000) {
    return sign | 0x7c00;
  }
  if (magnitude >= 0x38800000) {
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // Subnormal: a multiple of 2^-24, which Math.round would round half up.
  const scaled = Math.abs(scratch[0] as number) * 16_777_216;
  const floor = Math.floor(scaled);
  const rest = scaled - floor;
  return sign | (rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor);
}

/** The number that f16 bits mean. */
export function fromF16Bits(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) {
    return sign * fraction * 2 ** -24;
  }
  if (exponent === 31) {
    return fraction === 0 ? sign * Infinity : NaN;
  }
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Numbers as an array of the dtype's own element width. */
export function encodeFloats(values: Float32Array, dtype: 'f32' | 'f16' | 'bf16'): Float32Array | Uint16Array {
  return dtype === 'f32' ? values : Uint16Array.from(values, dtype === 'f16' ? toF16Bits : toBf16Bits);
}

/** The numbers that raw bits of a dtype mean. */
export function decodeFloats(bits: Float32Array | Uint16Array, dtype: 'f32' | 'f16' | 'bf16'): Float32Array {
  return Float32Array.from(bits, dtype === 'f32' ? (value) => value : dtype === 'f16' ? fromF16Bits : fromBf16Bits);
}
