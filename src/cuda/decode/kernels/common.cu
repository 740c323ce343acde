// Decode kernels of one GLM-4 stage for one sequence: every weight is read once per token, everything else stays in L2 or on chip.
//
// Compiled at load time by NVRTC with the model's numbers as macros:
//   HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, HEAD_DIM, ROTARY, VOCAB   the model
//   SANDWICH (0|1)      glm4's norms after attention and MLP
//   QKV_BIAS (0|1)
//   EPS                 rms_norm_eps
//   WEIGHT_BITS         16 (bf16), 8 or 4 (blocks of 32 along the input, symmetric; MatMulNBits' layout)
//   SCALE_BF16 (0|1)    dtype of the scales: bf16 or f16
//   CONTEXT             positions allocated in the KV cache
//   KV_BITS             16 (bf16) or 8 (signed bytes, with a scale for each channel of each KV head)
//   THREADS, ROWS, DEPTH   threads per block, output rows per warp and round, groups of weights a lane has on their way per row
//   SPLITS              most runs into which attention cuts the context, one block each and KV head
//
// Activations and the residual stream are f32: GLM-4-0414's o_proj and down_proj can pass 65,504, the largest f16.
// Matrices are [out, in], row-major, as in the checkpoint. The KV cache is bf16 or i8[KV_HEADS, CONTEXT, HEAD_DIM] per layer.
// `position` is the index of the token being decoded; it lies in device memory, so that one captured graph serves every step.
//
// Between layers the residual travels as two vectors: `x` and a `delta` that is still to be added (after a norm in glm4).
// The kernel that needs the sum computes it in its prologue; block 0 stores it to the other of two buffers.

typedef unsigned int u32;
typedef unsigned short u16;
typedef unsigned char u8;
typedef unsigned long long u64;

#define GROUP (HEADS / KV_HEADS)
#define QUERY_SIZE (HEADS * HEAD_DIM)
#define KV_SIZE (KV_HEADS * HEAD_DIM)
#define WARPS (THREADS / 32)
#define TOP 64

__device__ __forceinline__ float lowBf16(u32 pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float highBf16(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }
__device__ __forceinline__ float bf16ToFloat(u16 bits) { return __uint_as_float((u32)bits << 16); }
__device__ __forceinline__ u16 floatToBf16(float value) {
  u32 bits = __float_as_uint(value);
  return (u16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
__device__ __forceinline__ float halfToFloat(u16 bits) {
  float value;
  asm("{.reg .b16 h; mov.b16 h, %1; cvt.f32.f16 %0, h;}" : "=f"(value) : "h"(bits));
  return value;
}
__device__ __forceinline__ uint4 loadStreaming(const uint4* address) {
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(address));
  return v;
}
// Programmatic dependent launch: the next kernel may start its prologue; this one waits for the one before. Without the launch attribute both do nothing.
// Devices before compute capability 9.0 know neither.
__device__ __forceinline__ void allowNextKernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
__device__ __forceinline__ void waitForPreviousKernel() {
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ float warpSum(float value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) value += __shfl_xor_sync(~0u, value, offset);
  return value;
}
__device__ __forceinline__ float warpMax(float value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) value = fmaxf(value, __shfl_xor_sync(~0u, value, offset));
  return value;
}
__device__ float blockSum(float value, float* scratch) {
  value = warpSum(value);
  __syncthreads();
  if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = value;
  __syncthreads();
  float total = 0;
  for (int warp = 0; warp < (int)blockDim.x / 32; ++warp) total += scratch[warp];
  return total;
}
