// Decode kernels of one GLM-4 stage for one sequence: every weight is read once per token, everything else stays in L2 or on chip.
//
// Compiled at load time by NVRTC with the model's numbers as macros:
//   HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, HEAD_DIM, ROTARY, VOCAB   the model
//   SANDWICH (0|1)      glm4's norms after attention and MLP
//   QKV_BIAS (0|1)
//   EPS                 rms_norm_eps
//   WEIGHT_BITS         16 (bf16), 8 or 4 (blocks of 32 along the input, symmetric, f16 scales; MatMulNBits' layout)
//   CONTEXT             positions allocated in the KV cache
//   THREADS, ROWS       threads per block, output rows per warp and round
//
// Activations and the residual stream are f32: GLM-4-0414's o_proj and down_proj can pass 65,504, the largest f16.
// Matrices are [out, in], row-major, as in the checkpoint. The KV cache is bf16[KV_HEADS, CONTEXT, HEAD_DIM] per layer.
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
#define CHUNK 64
#define MAX_SPLITS ((CONTEXT + CHUNK - 1) / CHUNK)
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
__device__ __forceinline__ void allowNextKernel() { asm volatile("griddepcontrol.launch_dependents;" ::: "memory"); }
__device__ __forceinline__ void waitForPreviousKernel() { asm volatile("griddepcontrol.wait;" ::: "memory"); }

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

// ---- staging the input vector in shared memory, in the order in which the dot products read it ---------------------------------------------

// Where element i of a K-long input lies. A lane reads 8 (bf16) or 32 (quantised) neighbours as float4s; laying out the j-th float4 of all
// lanes next to each other keeps shared memory free of bank conflicts.
template <int K> __device__ __forceinline__ int stagedIndex(int i) {
#if WEIGHT_BITS == 16
  const int group = i >> 3, part = (i >> 2) & 1;
  return (part * (K / 8) + group) * 4 + (i & 3);
#else
  const int group = i >> 5, part = (i >> 2) & 7;
  return (part * (K / 32) + group) * 4 + (i & 3);
#endif
}

// 4-bit weights are taken out of a word in place, as multiples of 16^j; the input carries the inverse power of two, which is exact.
__device__ __forceinline__ float stagedValue(int i, float value) {
#if WEIGHT_BITS == 4
  const float inverse[4] = {1.0f, 1.0f / 16, 1.0f / 256, 1.0f / 4096};
  return value * inverse[i & 3];
#else
  return value;
#endif
}

// staged = x, as it is.
template <int K> __device__ void stagePlain(const float* __restrict__ x, float* staged) {
  for (int i = threadIdx.x; i < K; i += THREADS) staged[stagedIndex<K>(i)] = stagedValue(i, __ldcg(x + i));
  __syncthreads();
}

// sum = x + (normAfter ? rmsnorm(delta) * normAfter : delta); staged = rmsnorm(sum) * normBefore. Block 0 stores the sum.
__device__ void stageResidual(const float* __restrict__ x, const float* __restrict__ delta, const u16* __restrict__ normAfter,
                              const u16* __restrict__ normBefore, float* __restrict__ sumOut, float* staged, float* scratch) {
  constexpr int PER_THREAD = (HIDDEN + THREADS - 1) / THREADS;
  float sum[PER_THREAD], add[PER_THREAD];
  float squares = 0;
#pragma unroll
  for (int n = 0; n < PER_THREAD; ++n) {
    const int i = threadIdx.x + n * THREADS;
    sum[n] = i < HIDDEN ? __ldcg(x + i) : 0.0f;
    add[n] = (delta != nullptr && i < HIDDEN) ? __ldcg(delta + i) : 0.0f;
    squares += add[n] * add[n];
  }
  if (delta != nullptr && normAfter != nullptr) {
    const float scale = rsqrtf(blockSum(squares, scratch) / HIDDEN + EPS);
#pragma unroll
    for (int n = 0; n < PER_THREAD; ++n) {
      const int i = threadIdx.x + n * THREADS;
      if (i < HIDDEN) add[n] *= scale * bf16ToFloat(normAfter[i]);
    }
  }
  squares = 0;
#pragma unroll
  for (int n = 0; n < PER_THREAD; ++n) {
    sum[n] += add[n];
    squares += sum[n] * sum[n];
  }
  const float scale = rsqrtf(blockSum(squares, scratch) / HIDDEN + EPS);
#pragma unroll
  for (int n = 0; n < PER_THREAD; ++n) {
    const int i = threadIdx.x + n * THREADS;
    if (i < HIDDEN) {
      if (blockIdx.x == 0 && sumOut != nullptr) sumOut[i] = sum[n];
      staged[stagedIndex<HIDDEN>(i)] = stagedValue(i, sum[n] * scale * bf16ToFloat(normBefore[i]));
    }
  }
  __syncthreads();
}

// ---- one matrix: `rows` pointers of R output rows, dotted with the staged input ------------------------------------------------------------

struct Matrix {
  const void* weights;   // bf16[out, in], or u8[out, in / 32, 32 * bits / 8]
  const u16* scales;     // f16[out, in / 32] for quantised weights
};

#if WEIGHT_BITS == 16
#define LANE_LENGTH 8
#else
#define LANE_LENGTH 32
#endif

#if WEIGHT_BITS == 4
__device__ __forceinline__ float dotNibbles(u32 word, float4 a, float4 b) {
  const u32 low = word & 0xffffu, high = word >> 16;
  const float magic = 8388608.0f;  // 2^23: the mantissa's last bit counts ones
  float sum = 0;
  sum = fmaf(__uint_as_float((low & 0x000fu) | 0x4b000000u) - (magic + 8.0f), a.x, sum);
  sum = fmaf(__uint_as_float((low & 0x00f0u) | 0x4b000000u) - (magic + 128.0f), a.y, sum);
  sum = fmaf(__uint_as_float((low & 0x0f00u) | 0x4b000000u) - (magic + 2048.0f), a.z, sum);
  sum = fmaf(__uint_as_float((low & 0xf000u) | 0x4b000000u) - (magic + 32768.0f), a.w, sum);
  sum = fmaf(__uint_as_float((high & 0x000fu) | 0x4b000000u) - (magic + 8.0f), b.x, sum);
  sum = fmaf(__uint_as_float((high & 0x00f0u) | 0x4b000000u) - (magic + 128.0f), b.y, sum);
  sum = fmaf(__uint_as_float((high & 0x0f00u) | 0x4b000000u) - (magic + 2048.0f), b.z, sum);
  sum = fmaf(__uint_as_float((high & 0xf000u) | 0x4b000000u) - (magic + 32768.0f), b.w, sum);
  return sum;
}
#endif
#if WEIGHT_BITS == 8
__device__ __forceinline__ float dotBytes(u32 word, float4 a) {
  const float magic = 8388608.0f + 128.0f;
  float sum = 0;
  sum = fmaf(__uint_as_float(__byte_perm(word, 0x4b000000u, 0x7540)) - magic, a.x, sum);
  sum = fmaf(__uint_as_float(__byte_perm(word, 0x4b000000u, 0x7541)) - magic, a.y, sum);
  sum = fmaf(__uint_as_float(__byte_perm(word, 0x4b000000u, 0x7542)) - magic, a.z, sum);
  sum = fmaf(__uint_as_float(__byte_perm(word, 0x4b000000u, 0x7543)) - magic, a.w, sum);
  return sum;
}
#endif

// Dots R rows with the staged input; every lane returns the full sums.
template <int K, int R> __device__ __forceinline__ void dotRows(const Matrix* matrices, const int* rowIndex, const float* staged, float* result) {
  const int lane = threadIdx.x & 31;
  constexpr int GROUPS = K / LANE_LENGTH;
  float sums[R];
#pragma unroll
  for (int r = 0; r < R; ++r) sums[r] = 0;
  const float4* input = (const float4*)staged;
#if WEIGHT_BITS == 16
  const uint4* rows[R];
#pragma unroll
  for (int r = 0; r < R; ++r) rows[r] = (const uint4*)matrices[r].weights + (size_t)rowIndex[r] * GROUPS;
#pragma unroll 4
  for (int g = lane; g < GROUPS; g += 32) {
    uint4 w[R];
#pragma unroll
    for (int r = 0; r < R; ++r) w[r] = loadStreaming(rows[r] + g);
    const float4 a = input[g], b = input[GROUPS + g];
#pragma unroll
    for (int r = 0; r < R; ++r) {
      sums[r] = fmaf(lowBf16(w[r].x), a.x, sums[r]);
      sums[r] = fmaf(highBf16(w[r].x), a.y, sums[r]);
      sums[r] = fmaf(lowBf16(w[r].y), a.z, sums[r]);
      sums[r] = fmaf(highBf16(w[r].y), a.w, sums[r]);
      sums[r] = fmaf(lowBf16(w[r].z), b.x, sums[r]);
      sums[r] = fmaf(highBf16(w[r].z), b.y, sums[r]);
      sums[r] = fmaf(lowBf16(w[r].w), b.z, sums[r]);
      sums[r] = fmaf(highBf16(w[r].w), b.w, sums[r]);
    }
  }
#else
  constexpr int WORDS = WEIGHT_BITS / 4;  // uint4s of one block of 32 weights
#pragma unroll 2
  for (int g = lane; g < GROUPS; g += 32) {
    uint4 w[R][WORDS];
    u16 scale[R];
#pragma unroll
    for (int r = 0; r < R; ++r) {
#pragma unroll
      for (int n = 0; n < WORDS; ++n) w[r][n] = loadStreaming((const uint4*)matrices[r].weights + ((size_t)rowIndex[r] * GROUPS + g) * WORDS + n);
      scale[r] = __ldg(matrices[r].scales + (size_t)rowIndex[r] * GROUPS + g);
    }
    float block[R];
#pragma unroll
    for (int r = 0; r < R; ++r) block[r] = 0;
#if WEIGHT_BITS == 4
#pragma unroll
    for (int part = 0; part < 4; ++part) {
      const float4 a = input[(2 * part) * GROUPS + g], b = input[(2 * part + 1) * GROUPS + g];
#pragma unroll
      for (int r = 0; r < R; ++r) {
        const u32 words[4] = {w[r][0].x, w[r][0].y, w[r][0].z, w[r][0].w};
        block[r] += dotNibbles(words[part], a, b);
      }
    }
#else
#pragma unroll
    for (int part = 0; part < 8; ++part) {
      const float4 a = input[part * GROUPS + g];
#pragma unroll
      for (int r = 0; r < R; ++r) {
        const uint4 half = w[r][part >> 2];
        const u32 words[4] = {half.x, half.y, half.z, half.w};
        block[r] += dotBytes(words[part & 3], a);
      }
    }
#endif
#pragma unroll
    for (int r = 0; r < R; ++r) sums[r] = fmaf(halfToFloat(scale[r]), block[r], sums[r]);
  }
#endif
#pragma unroll
  for (int r = 0; r < R; ++r) result[r] = warpSum(sums[r]);
}

// Rounds over row groups: warps of all blocks take neighbouring groups, so that every multiprocessor has the same share.
#define FOR_EACH_ROW_GROUP(first, rows, perGroup) \
  for (int first = ((threadIdx.x >> 5) * gridDim.x + blockIdx.x) * (perGroup); first < (rows); first += WARPS * gridDim.x * (perGroup))

extern __shared__ float shared[];

// ---- the kernels of a step, in order --------------------------------------------------------------------------------------------------------

// x = embedding[token], f32[HIDDEN]. One block.
extern "C" __global__ void embedToken(const int* __restrict__ token, const u16* __restrict__ embedding, float* __restrict__ x) {
  waitForPreviousKernel();
  allowNextKernel();
  const u16* row = embedding + (size_t)*token * HIDDEN;
  for (int i = threadIdx.x; i < HIDDEN; i += blockDim.x) x[i] = bf16ToFloat(row[i]);
}

// qkv = [q | k | v] of the normed residual, f32[QUERY_SIZE + 2 KV_SIZE], before rotation.
extern "C" __global__ void __launch_bounds__(THREADS) projectQkv(const float* x, const float* delta, const u16* normAfter, const u16* normBefore, float* sumOut,
                                                                 Matrix q, Matrix k, Matrix v, const u16* qBias, const u16* kBias, const u16* vBias, float* qkv) {
  __shared__ float scratch[WARPS];
  waitForPreviousKernel();
  allowNextKernel();
  stageResidual(x, delta, normAfter, normBefore, sumOut, shared, scratch);
  FOR_EACH_ROW_GROUP(first, QUERY_SIZE + 2 * KV_SIZE, ROWS) {
    Matrix matrices[ROWS];
    int index[ROWS];
    const u16* bias[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int row = min(first + r, QUERY_SIZE + 2 * KV_SIZE - 1);
      const bool inQ = row < QUERY_SIZE, inK = row < QUERY_SIZE + KV_SIZE;
      matrices[r] = inQ ? q : inK ? k : v;
      index[r] = inQ ? row : inK ? row - QUERY_SIZE : row - QUERY_SIZE - KV_SIZE;
      bias[r] = inQ ? qBias : inK ? kBias : vBias;
    }
    float result[ROWS];
    dotRows<HIDDEN, ROWS>(matrices, index, shared, result);
    if ((threadIdx.x & 31) == 0) {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        if (first + r < QUERY_SIZE + 2 * KV_SIZE) qkv[first + r] = result[r] + (QKV_BIAS ? bf16ToFloat(bias[r][index[r]]) : 0.0f);
      }
    }
  }
}

// Element d of a head after interleaved rotary embedding (arXiv 2104.09864): pairs (2i, 2i+1) of the first ROTARY dimensions turn by table[position, i].
__device__ __forceinline__ float rotated(const float* head, int d, const float2* table) {
  if (d >= ROTARY) return __ldcg(head + d);
  const float2 turn = table[d >> 1];
  const float even = __ldcg(head + (d & ~1)), odd = __ldcg(head + (d | 1));
  return (d & 1) ? odd * turn.x + even * turn.y : even * turn.x - odd * turn.y;
}

// Attention of one KV head's queries over one chunk of 64 positions; grid (KV_HEADS, MAX_SPLITS). The chunk that holds `position` also appends to the cache.
// partial f32[HEADS, MAX_SPLITS, HEAD_DIM + 2]: unnormalised output, maximum, sum. rotary: float2(cos, sin)[CONTEXT, ROTARY / 2].
extern "C" __global__ void __launch_bounds__(256) attendChunk(const float* __restrict__ qkv, u16* __restrict__ keyCache, u16* __restrict__ valueCache,
                                                              const float2* __restrict__ rotary, const int* __restrict__ positionPointer, float* __restrict__ partial) {
  __shared__ float query[GROUP][HEAD_DIM];
  __shared__ __align__(16) u16 keys[CHUNK][HEAD_DIM + 8];
  __shared__ float weights[GROUP][CHUNK];
  waitForPreviousKernel();
  allowNextKernel();
  const int position = *positionPointer, start = blockIdx.y * CHUNK, head = blockIdx.x;
  if (start > position) return;
  const int count = min(CHUNK, position + 1 - start);
  const float2* turns = rotary + (size_t)position * (ROTARY / 2);
  u16* keyRows = keyCache + ((size_t)head * CONTEXT + start) * HEAD_DIM;
  u16* valueRows = valueCache + ((size_t)head * CONTEXT + start) * HEAD_DIM;
  for (int i = threadIdx.x; i < GROUP * HEAD_DIM; i += 256) {
    const int h = i / HEAD_DIM, d = i % HEAD_DIM;
    query[h][d] = rotated(qkv + (head * GROUP + h) * HEAD_DIM, d, turns) * rsqrtf((float)HEAD_DIM);
  }
  const int fresh = position - start;  // row of the new token, when it lies in this chunk
  for (int i = threadIdx.x; i < count * (HEAD_DIM / 8); i += 256) {
    const int row = i / (HEAD_DIM / 8), part = i % (HEAD_DIM / 8);
    if (row != fresh) *(uint4*)&keys[row][part * 8] = *(const uint4*)(keyRows + (size_t)row * HEAD_DIM + part * 8);
  }
  if (fresh < CHUNK) {
    for (int d = threadIdx.x; d < HEAD_DIM; d += 256) {
      const u16 key = floatToBf16(rotated(qkv + QUERY_SIZE + head * HEAD_DIM, d, turns));
      keys[fresh][d] = key;
      keyRows[(size_t)fresh * HEAD_DIM + d] = key;
      valueRows[(size_t)fresh * HEAD_DIM + d] = floatToBf16(__ldcg(qkv + QUERY_SIZE + KV_SIZE + head * HEAD_DIM + d));
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < GROUP * CHUNK; i += 256) {
    const int h = i / CHUNK, row = i % CHUNK;
    float score = -3.0e38f;
    if (row < count) {
      score = 0;
#pragma unroll 4
      for (int part = 0; part < HEAD_DIM / 8; ++part) {
        const uint4 k = *(const uint4*)&keys[row][part * 8];
        const float* q = &query[h][part * 8];
        score += lowBf16(k.x) * q[0] + highBf16(k.x) * q[1] + lowBf16(k.y) * q[2] + highBf16(k.y) * q[3] + lowBf16(k.z) * q[4] + highBf16(k.z) * q[5] + lowBf16(k.w) * q[6] + highBf16(k.w) * q[7];
      }
    }
    weights[h][row] = score;
  }
  __syncthreads();
  const int lane = threadIdx.x & 31;
  for (int h = threadIdx.x >> 5; h < GROUP; h += 8) {
    const float a = weights[h][lane], b = weights[h][lane + 32];
    const float top = warpMax(fmaxf(a, b));
    const float ea = __expf(a - top), eb = __expf(b - top);
    weights[h][lane] = ea;
    weights[h][lane + 32] = eb;
    const float total = warpSum(ea + eb);
    if (lane == 0) {
      float* out = partial + ((size_t)(head * GROUP + h) * MAX_SPLITS + blockIdx.y) * (HEAD_DIM + 2);
      out[HEAD_DIM] = top;
      out[HEAD_DIM + 1] = total;
    }
  }
  __syncthreads();
  for (int i = threadIdx.x; i < GROUP * (HEAD_DIM / 2); i += 256) {
    const int h = i / (HEAD_DIM / 2), d = (i % (HEAD_DIM / 2)) * 2;
    float even = 0, odd = 0;
    for (int row = 0; row < count; ++row) {
      const u32 v = *(const u32*)(valueRows + (size_t)row * HEAD_DIM + d);
      even = fmaf(weights[h][row], lowBf16(v), even);
      odd = fmaf(weights[h][row], highBf16(v), odd);
    }
    float* out = partial + ((size_t)(head * GROUP + h) * MAX_SPLITS + blockIdx.y) * (HEAD_DIM + 2);
    out[d] = even;
    out[d + 1] = odd;
  }
}

// Joins the chunks of one head: grid HEADS, HEAD_DIM threads. attended f32[QUERY_SIZE].
extern "C" __global__ void joinChunks(const float* __restrict__ partial, const int* __restrict__ positionPointer, float* __restrict__ attended) {
  waitForPreviousKernel();
  allowNextKernel();
  const int splits = *positionPointer / CHUNK + 1;
  const float* rows = partial + (size_t)blockIdx.x * MAX_SPLITS * (HEAD_DIM + 2);
  float top = -3.0e38f;
  for (int s = 0; s < splits; ++s) top = fmaxf(top, __ldcg(rows + s * (HEAD_DIM + 2) + HEAD_DIM));
  float total = 0, value = 0;
  for (int s = 0; s < splits; ++s) {
    const float* row = rows + s * (HEAD_DIM + 2);
    const float scale = __expf(__ldcg(row + HEAD_DIM) - top);
    total = fmaf(scale, __ldcg(row + HEAD_DIM + 1), total);
    value = fmaf(scale, __ldcg(row + threadIdx.x), value);
  }
  attended[blockIdx.x * HEAD_DIM + threadIdx.x] = value / total;
}

template <int K> __device__ void projectPlain(const float* input, Matrix matrix, float* output, int rows) {
  waitForPreviousKernel();
  allowNextKernel();
  stagePlain<K>(input, shared);
  FOR_EACH_ROW_GROUP(first, rows, ROWS) {
    Matrix matrices[ROWS];
    int index[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      matrices[r] = matrix;
      index[r] = min(first + r, rows - 1);
    }
    float result[ROWS];
    dotRows<K, ROWS>(matrices, index, shared, result);
    if ((threadIdx.x & 31) == 0) {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        if (first + r < rows) output[first + r] = result[r];
      }
    }
  }
}

// delta = o_proj(attended), f32[HIDDEN].
extern "C" __global__ void __launch_bounds__(THREADS) projectOutput(const float* attended, Matrix o, float* delta) { projectPlain<QUERY_SIZE>(attended, o, delta, HIDDEN); }

// activated = silu(gate) * up of the normed residual, f32[INTERMEDIATE]; gate_up holds the gate's rows first.
extern "C" __global__ void __launch_bounds__(THREADS) projectGateUp(const float* x, const float* delta, const u16* normAfter, const u16* normBefore, float* sumOut, Matrix gateUp, float* activated) {
  __shared__ float scratch[WARPS];
  waitForPreviousKernel();
  allowNextKernel();
  stageResidual(x, delta, normAfter, normBefore, sumOut, shared, scratch);
  constexpr int PAIRS = ROWS / 2;
  FOR_EACH_ROW_GROUP(first, INTERMEDIATE, PAIRS) {
    Matrix matrices[ROWS];
    int index[ROWS];
#pragma unroll
    for (int p = 0; p < PAIRS; ++p) {
      const int row = min(first + p, INTERMEDIATE - 1);
      matrices[2 * p] = matrices[2 * p + 1] = gateUp;
      index[2 * p] = row;
      index[2 * p + 1] = INTERMEDIATE + row;
    }
    float result[ROWS];
    dotRows<HIDDEN, ROWS>(matrices, index, shared, result);
    if ((threadIdx.x & 31) == 0) {
#pragma unroll
      for (int p = 0; p < PAIRS; ++p) {
        const float gate = result[2 * p];
        if (first + p < INTERMEDIATE) activated[first + p] = gate / (1.0f + __expf(-gate)) * result[2 * p + 1];
      }
    }
  }
}

// delta = down_proj(activated), f32[HIDDEN].
extern "C" __global__ void __launch_bounds__(THREADS) projectDown(const float* activated, Matrix down, float* delta) { projectPlain<INTERMEDIATE>(activated, down, delta, HIDDEN); }

// The sum of residual and pending delta, for the next stage: f32[HIDDEN]; moves on by one position. One block.
extern "C" __global__ void __launch_bounds__(THREADS) finishStage(const float* x, const float* delta, const u16* normAfter, float* hidden, int* position) {
  __shared__ float scratch[WARPS];
  waitForPreviousKernel();
  allowNextKernel();
  float squares = 0;
  for (int i = threadIdx.x; i < HIDDEN; i += THREADS) squares += __ldcg(delta + i) * __ldcg(delta + i);
  const float scale = normAfter == nullptr ? 1.0f : rsqrtf(blockSum(squares, scratch) / HIDDEN + EPS);
  for (int i = threadIdx.x; i < HIDDEN; i += THREADS) hidden[i] = __ldcg(x + i) + __ldcg(delta + i) * scale * (normAfter == nullptr ? 1.0f : bf16ToFloat(normAfter[i]));
  if (threadIdx.x == 0) *position += 1;
}

// logits = lm_head(norm(residual)), f32[VOCAB].
extern "C" __global__ void __launch_bounds__(THREADS) projectLogits(const float* x, const float* delta, const u16* normAfter, const u16* normBefore, Matrix head, float* logits) {
  __shared__ float scratch[WARPS];
  waitForPreviousKernel();
  allowNextKernel();
  stageResidual(x, delta, normAfter, normBefore, nullptr, shared, scratch);
  FOR_EACH_ROW_GROUP(first, VOCAB, ROWS) {
    Matrix matrices[ROWS];
    int index[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      matrices[r] = head;
      index[r] = min(first + r, VOCAB - 1);
    }
    float result[ROWS];
    dotRows<HIDDEN, ROWS>(matrices, index, shared, result);
    if ((threadIdx.x & 31) == 0) {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        if (first + r < VOCAB) logits[first + r] = result[r];
      }
    }
  }
}

// ---- the highest 64 logits ------------------------------------------------------------------------------------------------------------------

// Orders by value, then by the lower id, as torch.argmax does; NaN counts as lowest.
__device__ __forceinline__ u64 sortKey(float value, u32 id) {
  const u32 bits = value == value ? __float_as_uint(value) : 0xff800000u;
  const u32 ordered = (bits & 0x80000000u) ? ~bits : bits | 0x80000000u;
  return ((u64)ordered << 32) | (u32)~id;
}

__device__ void sortDescending(u64* keys) {
  for (int size = 2; size <= 1024; size <<= 1) {
    for (int stride = size >> 1; stride > 0; stride >>= 1) {
      __syncthreads();
      const int i = 2 * threadIdx.x - (threadIdx.x & (stride - 1)), j = i + stride;
      const bool descending = (i & size) == 0;
      const u64 a = keys[i], b = keys[j];
      if ((a < b) == descending) {
        keys[i] = b;
        keys[j] = a;
      }
    }
  }
  __syncthreads();
}

// Each block keeps the best 64 of 1,024 logits. 512 threads.
extern "C" __global__ void pickFromLogits(const float* __restrict__ logits, u64* __restrict__ picked) {
  __shared__ u64 keys[1024];
  waitForPreviousKernel();
  allowNextKernel();
  for (int i = threadIdx.x; i < 1024; i += 512) {
    const int id = blockIdx.x * 1024 + i;
    keys[i] = id < VOCAB ? sortKey(__ldcg(logits + id), id) : 0;
  }
  sortDescending(keys);
  if (threadIdx.x < TOP) picked[blockIdx.x * TOP + threadIdx.x] = keys[threadIdx.x];
}

// Each block keeps the best 64 of 1,024 picked ones. 512 threads.
extern "C" __global__ void pickFromPicked(const u64* __restrict__ from, int count, u64* __restrict__ picked) {
  __shared__ u64 keys[1024];
  waitForPreviousKernel();
  allowNextKernel();
  for (int i = threadIdx.x; i < 1024; i += 512) {
    const int at = blockIdx.x * 1024 + i;
    keys[i] = at < count ? __ldcg(from + at) : 0;
  }
  sortDescending(keys);
  if (threadIdx.x < TOP) picked[blockIdx.x * TOP + threadIdx.x] = keys[threadIdx.x];
}

// Unpacks the final 64 into ids and values, makes the best one the next token and moves on by one position. 64 threads.
extern "C" __global__ void finishStep(const u64* __restrict__ picked, int* __restrict__ ids, float* __restrict__ values, int* token, int* position) {
  waitForPreviousKernel();
  allowNextKernel();
  const u64 key = __ldcg(picked + threadIdx.x);
  const u32 ordered = (u32)(key >> 32), id = ~(u32)key;
  ids[threadIdx.x] = (int)id;
  values[threadIdx.x] = __uint_as_float((ordered & 0x80000000u) ? ordered & 0x7fffffffu : ~ordered);
  if (threadIdx.x == 0) {
    *token = (int)id;
    *position += 1;
  }
}
