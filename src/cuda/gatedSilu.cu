// The gate of the MLP in one pass: y = silu(a) * b, a and b being the halves of a row of x. bf16; eight elements a thread.
// x bf16[rows, 2, groups * 8], y bf16[rows, groups * 8]. Grid (groups / threads, rows).
typedef unsigned int u32;

__device__ __forceinline__ float fromLow(u32 pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float fromHigh(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

__device__ __forceinline__ u32 toBf16(float value) {
  const u32 bits = __float_as_uint(value);
  return (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
}

__device__ __forceinline__ float gated(float a, float b) { return a / (1.0f + __expf(-a)) * b; }

__device__ __forceinline__ u32 gatedPair(u32 a, u32 b) { return toBf16(gated(fromLow(a), fromLow(b))) | (toBf16(gated(fromHigh(a), fromHigh(b))) << 16); }

extern "C" __global__ void __launch_bounds__(256) gatedSilu(const uint4* __restrict__ x, uint4* __restrict__ y, int groups) {
  const int at = blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= groups) return;
  const uint4* row = x + (size_t)blockIdx.y * 2 * groups;
  const uint4 a = row[at], b = row[groups + at];
  uint4 out;
  out.x = gatedPair(a.x, b.x);
  out.y = gatedPair(a.y, b.y);
  out.z = gatedPair(a.z, b.z);
  out.w = gatedPair(a.w, b.w);
  y[(size_t)blockIdx.y * groups + at] = out;
}
