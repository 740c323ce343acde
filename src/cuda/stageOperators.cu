// Operators of ours inside the graphs that the runtime runs on NVIDIA GPUs.

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

// Sum over the block, for every thread; `shared` holds one float a warp.
__device__ float blockSum(float value, float* shared) {
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(0xffffffffu, value, offset);
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = blockDim.x >> 5;
  __syncthreads();
  if (lane == 0) shared[warp] = value;
  __syncthreads();
  value = lane < warps ? shared[lane] : 0.0f;
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(0xffffffffu, value, offset);
  return value;
}

__device__ __forceinline__ float rounded(float value) { return __uint_as_float(toBf16(value) << 16); }

__device__ __forceinline__ void unpack(uint4 packed, float* values) {
  const u32 words[4] = {packed.x, packed.y, packed.z, packed.w};
  for (int i = 0; i < 4; ++i) {
    values[2 * i] = fromLow(words[i]);
    values[2 * i + 1] = fromHigh(words[i]);
  }
}

__device__ __forceinline__ uint4 pack(const float* values) {
  u32 words[4];
  for (int i = 0; i < 4; ++i) words[i] = toBf16(values[2 * i]) | (toBf16(values[2 * i + 1]) << 16);
  return make_uint4(words[0], words[1], words[2], words[3]);
}

// GLM-4-0414's two norms between a block and the next, in one pass over the row: sum = residual + norm(x, outputWeight), normed = norm(sum, nextWeight).
// Without x the sum is the residual and is not written. Rounded to bf16 where the runtime's own operators round. bf16[rows, groups * 8] each; a block a row;
// dynamic shared memory: groups * 8 floats and one float a warp. Threads are a multiple of 32.
extern "C" __global__ void __launch_bounds__(512) sandwichNorm(const uint4* x, const uint4* residual, const uint4* __restrict__ outputWeight, const uint4* __restrict__ nextWeight,
                                                              uint4* normed, uint4* sum, int groups, float epsilon) {
  extern __shared__ float row[];
  float* warps = row + groups * 8;
  const size_t base = (size_t)blockIdx.x * groups;
  const float width = (float)(groups * 8);
  float values[8], others[8], squares = 0.0f;
  if (x != nullptr) {
    for (int at = threadIdx.x; at < groups; at += blockDim.x) {
      unpack(x[base + at], values);
      for (int i = 0; i < 8; ++i) {
        squares += values[i] * values[i];
        row[i * groups + at] = values[i];
      }
    }
    const float scale = rsqrtf(blockSum(squares, warps) / width + epsilon);
    squares = 0.0f;
    for (int at = threadIdx.x; at < groups; at += blockDim.x) {
      unpack(outputWeight[at], others);
      for (int i = 0; i < 8; ++i) values[i] = rounded(row[i * groups + at] * scale * others[i]);
      unpack(residual[base + at], others);
      for (int i = 0; i < 8; ++i) {
        values[i] = rounded(others[i] + values[i]);
        squares += values[i] * values[i];
        row[i * groups + at] = values[i];
      }
      sum[base + at] = pack(values);
    }
  } else {
    for (int at = threadIdx.x; at < groups; at += blockDim.x) {
      unpack(residual[base + at], values);
      for (int i = 0; i < 8; ++i) {
        squares += values[i] * values[i];
        row[i * groups + at] = values[i];
      }
    }
  }
  const float scale = rsqrtf(blockSum(squares, warps) / width + epsilon);
  for (int at = threadIdx.x; at < groups; at += blockDim.x) {
    unpack(nextWeight[at], others);
    for (int i = 0; i < 8; ++i) values[i] = row[i * groups + at] * scale * others[i];
    normed[base + at] = pack(values);
  }
}
