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
//   SPLITS              runs into which attention cuts the context
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

// ---- rows of a matrix, dotted with the staged input ------------------------------------------------------------------------------------------

struct Matrix {
  const void* weights;   // bf16[out, in], or u8[out, in / 32, 32 * bits / 8]
  const u16* scales;     // f16 or bf16[out, in / 32] for quantised weights
};

#if WEIGHT_BITS == 16
#define LANE_LENGTH 8
#define WORDS 1                   // uint4s that a lane loads for one group of LANE_LENGTH weights
#else
#define LANE_LENGTH 32
#define WORDS (WEIGHT_BITS / 4)
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

struct Row {
  const uint4* weights;
  const u16* scales;
};

template <int K> __device__ __forceinline__ Row rowOf(const Matrix& matrix, int index) {
  constexpr int GROUPS = K / LANE_LENGTH;
  Row row;
  row.weights = (const uint4*)matrix.weights + (size_t)index * GROUPS * WORDS;
  row.scales = WEIGHT_BITS == 16 ? nullptr : matrix.scales + (size_t)index * GROUPS;
  return row;
}

// What one lane holds of DEPTH groups of ROWS rows. Two tiles alternate: one is on its way while the other is multiplied.
struct Tile {
  uint4 words[ROWS][DEPTH][WORDS];
#if WEIGHT_BITS != 16
  u16 scales[ROWS][DEPTH];
#endif
};

template <int K> __device__ __forceinline__ void loadTile(Tile& tile, const Row (&rows)[ROWS], int at) {
  constexpr int GROUPS = K / LANE_LENGTH;
  const int lane = threadIdx.x & 31;
#pragma unroll
  for (int d = 0; d < DEPTH; ++d) {
    const int group = lane + 32 * (at * DEPTH + d);
    const bool inside = group < GROUPS;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
#pragma unroll
      for (int n = 0; n < WORDS; ++n) tile.words[r][d][n] = inside ? loadStreaming(rows[r].weights + group * WORDS + n) : make_uint4(0, 0, 0, 0);
#if WEIGHT_BITS != 16
      tile.scales[r][d] = inside ? __ldg(rows[r].scales + group) : (u16)0;
#endif
    }
  }
}

template <int K> __device__ __forceinline__ void multiplyTile(const Tile& tile, int at, const float4* input, float (&sums)[ROWS]) {
  constexpr int GROUPS = K / LANE_LENGTH;
  const int lane = threadIdx.x & 31;
#pragma unroll
  for (int d = 0; d < DEPTH; ++d) {
    const int group = min(lane + 32 * (at * DEPTH + d), GROUPS - 1);
#if WEIGHT_BITS == 16
    const float4 a = input[group], b = input[GROUPS + group];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const uint4 w = tile.words[r][d][0];
      sums[r] = fmaf(lowBf16(w.x), a.x, sums[r]);
      sums[r] = fmaf(highBf16(w.x), a.y, sums[r]);
      sums[r] = fmaf(lowBf16(w.y), a.z, sums[r]);
      sums[r] = fmaf(highBf16(w.y), a.w, sums[r]);
      sums[r] = fmaf(lowBf16(w.z), b.x, sums[r]);
      sums[r] = fmaf(highBf16(w.z), b.y, sums[r]);
      sums[r] = fmaf(lowBf16(w.w), b.z, sums[r]);
      sums[r] = fmaf(highBf16(w.w), b.w, sums[r]);
    }
#else
    float block[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) block[r] = 0;
#pragma unroll
    for (int part = 0; part < 32 / (32 / WEIGHT_BITS); ++part) {  // one 32-bit word of each row
#if WEIGHT_BITS == 4
      const float4 a = input[(2 * part) * GROUPS + group], b = input[(2 * part + 1) * GROUPS + group];
#else
      const float4 a = input[part * GROUPS + group];
#endif
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const uint4 w = tile.words[r][d][part >> 2];
        const u32 word = (part & 3) == 0 ? w.x : (part & 3) == 1 ? w.y : (part & 3) == 2 ? w.z : w.w;
#if WEIGHT_BITS == 4
        block[r] += dotNibbles(word, a, b);
#else
        block[r] += dotBytes(word, a);
#endif
      }
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) sums[r] = fmaf(SCALE_BF16 ? bf16ToFloat(tile.scales[r][d]) : halfToFloat(tile.scales[r][d]), block[r], sums[r]);
#endif
  }
}

// The first rows of this warp; warps of all blocks take neighbouring rows, so that every multiprocessor has the same share.
__device__ __forceinline__ int firstRow(int perRound) { return ((threadIdx.x >> 5) * gridDim.x + blockIdx.x) * perRound; }

// Rounds over the rows [0, count), `perRound` a warp and round. `locate` names the ROWS rows of a round, `store` takes their dot products (one lane).
// `tile` holds the first tile already: weights don't depend on the kernel before, so that it was loaded while that one was still running.
template <int K, class Locate, class Store>
__device__ __forceinline__ void multiplyRows(Tile& tile, int count, int perRound, const float* staged, const Locate& locate, const Store& store) {
  constexpr int TILES = (K / LANE_LENGTH + 32 * DEPTH - 1) / (32 * DEPTH);
  const float4* input = (const float4*)staged;
  Row rows[ROWS];
  int first = firstRow(perRound);
  if (first < count) locate(first, rows);
  while (first < count) {
    const int next = first + WARPS * gridDim.x * perRound;
    Row nextRows[ROWS];
    if (next < count) locate(next, nextRows);
    float sums[ROWS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) sums[r] = 0;
#pragma unroll 2
    for (int at = 0; at < TILES; ++at) {
      Tile following;
      if (at + 1 < TILES) loadTile<K>(following, rows, at + 1);
      else if (next < count) loadTile<K>(following, nextRows, 0);
      multiplyTile<K>(tile, at, input, sums);
      tile = following;
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) sums[r] = warpSum(sums[r]);
    if ((threadIdx.x & 31) == 0) store(first, sums);
#pragma unroll
    for (int r = 0; r < ROWS; ++r) rows[r] = nextRows[r];
    first = next;
  }
}

template <int K, class Locate> __device__ __forceinline__ void loadFirstTile(Tile& tile, int count, int perRound, const Locate& locate) {
  Row rows[ROWS];
  const int first = firstRow(perRound);
  if (first < count) {
    locate(first, rows);
    loadTile<K>(tile, rows, 0);
  }
}

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
  constexpr int COUNT = QUERY_SIZE + 2 * KV_SIZE;
  allowNextKernel();
  const auto locate = [&](int first, Row (&rows)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int row = min(first + r, COUNT - 1);
      rows[r] = row < QUERY_SIZE ? rowOf<HIDDEN>(q, row) : row < QUERY_SIZE + KV_SIZE ? rowOf<HIDDEN>(k, row - QUERY_SIZE) : rowOf<HIDDEN>(v, row - QUERY_SIZE - KV_SIZE);
    }
  };
  Tile tile;
  loadFirstTile<HIDDEN>(tile, COUNT, ROWS, locate);
  waitForPreviousKernel();
  stageResidual(x, delta, normAfter, normBefore, sumOut, shared, scratch);
  multiplyRows<HIDDEN>(tile, COUNT, ROWS, shared, locate, [&](int first, const float (&sums)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      const int row = first + r;
      if (row >= COUNT) continue;
      float bias = 0;
      if (QKV_BIAS) bias = bf16ToFloat(row < QUERY_SIZE ? qBias[row] : row < QUERY_SIZE + KV_SIZE ? kBias[row - QUERY_SIZE] : vBias[row - QUERY_SIZE - KV_SIZE]);
      qkv[row] = sums[r] + bias;
    }
  });
}

// Element d of a head after interleaved rotary embedding (arXiv 2104.09864): pairs (2i, 2i+1) of the first ROTARY dimensions turn by table[position, i].
__device__ __forceinline__ float rotated(const float* head, int d, const float2* table) {
  if (d >= ROTARY) return __ldcg(head + d);
  const float2 turn = table[d >> 1];
  const float even = __ldcg(head + (d & ~1)), odd = __ldcg(head + (d | 1));
  return (d & 1) ? odd * turn.x + even * turn.y : even * turn.x - odd * turn.y;
}

// ---- keys and values as the cache holds them ---------------------------------------------------------------------------------------------------

#if KV_BITS == 8
typedef signed char KvElement;
// A key's scales go into the query and a value's into the output, so that both are read as whole numbers.
__device__ __forceinline__ KvElement toCache(float value, float scale) { return (KvElement)max(-128, min(127, __float2int_rn(value / scale))); }
// Bytes as floats without a conversion: with the sign bit turned they count from -128, as the low bits of 2^23.
__device__ __forceinline__ float cacheByte(u32 turned, u32 selector) { return __uint_as_float(__byte_perm(turned, 0x4b000000u, selector)) - (8388608.0f + 128.0f); }
__device__ __forceinline__ float dotWord(u32 word, const float4& q) {
  const u32 turned = word ^ 0x80808080u;
  return cacheByte(turned, 0x7540) * q.x + cacheByte(turned, 0x7541) * q.y + cacheByte(turned, 0x7542) * q.z + cacheByte(turned, 0x7543) * q.w;
}
// 16 bytes of a key with as many elements of a query.
__device__ __forceinline__ float dotVector(const uint4& k, const float* q) {
  const float4* q4 = (const float4*)q;
  return dotWord(k.x, q4[0]) + dotWord(k.y, q4[1]) + dotWord(k.z, q4[2]) + dotWord(k.w, q4[3]);
}
__device__ __forceinline__ float2 loadPair(const KvElement* pair) {
  const u32 turned = *(const u16*)pair ^ 0x8080u;
  return make_float2(cacheByte(turned, 0x7540), cacheByte(turned, 0x7541));
}
#define SCALE_OF(scales, channel) ((scales)[channel])
#else
typedef u16 KvElement;
__device__ __forceinline__ KvElement toCache(float value, float) { return floatToBf16(value); }
__device__ __forceinline__ float dotVector(const uint4& k, const float* q) {
  const float4 a = *(const float4*)q, b = *(const float4*)(q + 4);
  return lowBf16(k.x) * a.x + highBf16(k.x) * a.y + lowBf16(k.y) * a.z + highBf16(k.y) * a.w + lowBf16(k.z) * b.x + highBf16(k.z) * b.y + lowBf16(k.w) * b.z + highBf16(k.w) * b.w;
}
__device__ __forceinline__ float2 loadPair(const KvElement* pair) {
  const u32 both = *(const u32*)pair;
  return make_float2(lowBf16(both), highBf16(both));
}
#define SCALE_OF(scales, channel) 1.0f
#endif
#define KV_VECTOR (16 / (int)sizeof(KvElement))                // elements in 16 bytes

#define TILE_ROWS 32
#define HEAD_STRIDE (256 / (HEAD_DIM / 2))                     // heads that the 256 threads cover at once, a pair of dimensions each
#define OUTPUTS ((GROUP + HEAD_STRIDE - 1) / HEAD_STRIDE)       // heads a thread serves

// Positions a block takes: the context is cut evenly into at most SPLITS runs, each a multiple of TILE_ROWS.
__device__ __forceinline__ int runLength(int position) { return ((position + SPLITS * TILE_ROWS) / (SPLITS * TILE_ROWS)) * TILE_ROWS; }

// Keys and values of TILE_ROWS positions into shared memory, except for the row of the token being decoded.
__device__ __forceinline__ void loadPositions(KvElement (*keys)[HEAD_DIM + KV_VECTOR], KvElement (*values)[HEAD_DIM], const KvElement* keyRows, const KvElement* valueRows, int count, int fresh) {
  for (int i = threadIdx.x; i < count * (HEAD_DIM / KV_VECTOR); i += 256) {
    const int row = i / (HEAD_DIM / KV_VECTOR), part = (i % (HEAD_DIM / KV_VECTOR)) * KV_VECTOR;
    if (row != fresh) {
      *(uint4*)&keys[row][part] = *(const uint4*)(keyRows + (size_t)row * HEAD_DIM + part);
      *(uint4*)&values[row][part] = *(const uint4*)(valueRows + (size_t)row * HEAD_DIM + part);
    }
  }
}

// Attention of one KV head's queries over one run of positions, with a running softmax; grid (KV_HEADS, SPLITS). The block that holds `position` appends to the cache.
// partial f32[HEADS, SPLITS, HEAD_DIM + 2]: unnormalised output, maximum, sum. rotary: float2(cos, sin)[CONTEXT, ROTARY / 2].
// keyScales, valueScales: f32[KV_HEADS, HEAD_DIM] for a cache of 8 bits, otherwise unused.
extern "C" __global__ void __launch_bounds__(256) attendRun(const float* qkv, KvElement* keyCache, KvElement* valueCache, const float* __restrict__ keyScales, const float* __restrict__ valueScales,
                                                            const float2* __restrict__ rotary, const int* positionPointer, float* partial) {
  __shared__ __align__(16) float query[GROUP][HEAD_DIM];
  __shared__ __align__(16) KvElement keys[TILE_ROWS][HEAD_DIM + KV_VECTOR];
  __shared__ __align__(16) KvElement values[TILE_ROWS][HEAD_DIM];
  __shared__ __align__(16) float weights[GROUP][TILE_ROWS];
  __shared__ float rescale[GROUP];
  allowNextKernel();
  const int position = *(volatile const int*)positionPointer, head = blockIdx.x, length = runLength(position), start = blockIdx.y * length;
  if (start > position) return;
  const int end = min(start + length, position + 1);
  KvElement* keyRows = keyCache + (size_t)head * CONTEXT * HEAD_DIM;
  KvElement* valueRows = valueCache + (size_t)head * CONTEXT * HEAD_DIM;
  loadPositions(keys, values, keyRows + (size_t)start * HEAD_DIM, valueRows + (size_t)start * HEAD_DIM, min(TILE_ROWS, end - start), position - start);
  waitForPreviousKernel();
  const float2* turns = rotary + (size_t)position * (ROTARY / 2);
  for (int i = threadIdx.x; i < GROUP * HEAD_DIM; i += 256) {
    const int h = i / HEAD_DIM, d = i % HEAD_DIM;
    query[h][d] = rotated(qkv + (head * GROUP + h) * HEAD_DIM, d, turns) * rsqrtf((float)HEAD_DIM) * SCALE_OF(keyScales, head * HEAD_DIM + d);
  }
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, pair = (threadIdx.x % (HEAD_DIM / 2)) * 2, firstHead = threadIdx.x / (HEAD_DIM / 2);
  constexpr int HEADS_PER_WARP = (GROUP + 7) / 8;
  float top[HEADS_PER_WARP], total[HEADS_PER_WARP], output[OUTPUTS][2];
#pragma unroll
  for (int n = 0; n < HEADS_PER_WARP; ++n) { top[n] = -3.0e38f; total[n] = 0; }
#pragma unroll
  for (int n = 0; n < OUTPUTS; ++n) output[n][0] = output[n][1] = 0;
  for (int at = start; at < end; at += TILE_ROWS) {
    const int count = min(TILE_ROWS, end - at), fresh = position - at;
    if (at > start) loadPositions(keys, values, keyRows + (size_t)at * HEAD_DIM, valueRows + (size_t)at * HEAD_DIM, count, fresh);
    if (fresh < TILE_ROWS) {
      for (int d = threadIdx.x; d < HEAD_DIM; d += 256) {
        const KvElement key = toCache(rotated(qkv + QUERY_SIZE + head * HEAD_DIM, d, turns), SCALE_OF(keyScales, head * HEAD_DIM + d));
        const KvElement value = toCache(__ldcg(qkv + QUERY_SIZE + KV_SIZE + head * HEAD_DIM + d), SCALE_OF(valueScales, head * HEAD_DIM + d));
        keys[fresh][d] = key;
        values[fresh][d] = value;
        keyRows[(size_t)position * HEAD_DIM + d] = key;
        valueRows[(size_t)position * HEAD_DIM + d] = value;
      }
    }
    __syncthreads();
    // Each lane reads its position's key once for all heads of its warp.
    float score[HEADS_PER_WARP];
#pragma unroll
    for (int n = 0; n < HEADS_PER_WARP; ++n) score[n] = 0;
    if (lane < count) {
#pragma unroll
      for (int part = 0; part < HEAD_DIM / KV_VECTOR; ++part) {
        const uint4 k = *(const uint4*)&keys[lane][part * KV_VECTOR];
#pragma unroll
        for (int n = 0; n < HEADS_PER_WARP; ++n) score[n] += dotVector(k, query[min(warp + 8 * n, GROUP - 1)] + part * KV_VECTOR);
      }
    }
#pragma unroll
    for (int n = 0; n < HEADS_PER_WARP; ++n) {
      const int h = warp + 8 * n;
      if (h >= GROUP) break;
      const float own = lane < count ? score[n] : -3.0e38f;
      const float highest = fmaxf(top[n], warpMax(own)), keep = __expf(top[n] - highest);
      const float weight = lane < count ? __expf(own - highest) : 0.0f;
      total[n] = total[n] * keep + warpSum(weight);
      top[n] = highest;
      weights[h][lane] = weight;
      if (lane == 0) rescale[h] = keep;
    }
    __syncthreads();
    // A thread owns one pair of dimensions of several heads, so that each value is read once for all of them.
#pragma unroll
    for (int n = 0; n < OUTPUTS; ++n) {
      const float keep = rescale[min(firstHead + n * HEAD_STRIDE, GROUP - 1)];
      output[n][0] *= keep;
      output[n][1] *= keep;
    }
    // Four positions at a time, so that a head's weights take one load for all four.
    int row = 0;
    for (; row + 4 <= count; row += 4) {
      float2 v[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) v[i] = loadPair(&values[row + i][pair]);
#pragma unroll
      for (int n = 0; n < OUTPUTS; ++n) {
        const float4 weight = *(const float4*)&weights[min(firstHead + n * HEAD_STRIDE, GROUP - 1)][row];
        output[n][0] = fmaf(weight.w, v[3].x, fmaf(weight.z, v[2].x, fmaf(weight.y, v[1].x, fmaf(weight.x, v[0].x, output[n][0]))));
        output[n][1] = fmaf(weight.w, v[3].y, fmaf(weight.z, v[2].y, fmaf(weight.y, v[1].y, fmaf(weight.x, v[0].y, output[n][1]))));
      }
    }
    for (; row < count; ++row) {
      const float2 v = loadPair(&values[row][pair]);
#pragma unroll
      for (int n = 0; n < OUTPUTS; ++n) {
        const float weight = weights[min(firstHead + n * HEAD_STRIDE, GROUP - 1)][row];
        output[n][0] = fmaf(weight, v.x, output[n][0]);
        output[n][1] = fmaf(weight, v.y, output[n][1]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int n = 0; n < OUTPUTS; ++n) {
    const int h = firstHead + n * HEAD_STRIDE;
    if (h >= GROUP) break;
    *(float2*)(partial + ((size_t)(head * GROUP + h) * SPLITS + blockIdx.y) * (HEAD_DIM + 2) + pair) =
        make_float2(output[n][0] * SCALE_OF(valueScales, head * HEAD_DIM + pair), output[n][1] * SCALE_OF(valueScales, head * HEAD_DIM + pair + 1));
  }
#pragma unroll
  for (int n = 0; n < HEADS_PER_WARP; ++n) {
    const int h = warp + 8 * n;
    if (h < GROUP && lane == 0) *(float2*)(partial + ((size_t)(head * GROUP + h) * SPLITS + blockIdx.y) * (HEAD_DIM + 2) + HEAD_DIM) = make_float2(top[n], total[n]);
  }
}

#define JOIN_WAYS 4

// Joins the runs of one head: grid HEADS, HEAD_DIM * JOIN_WAYS threads. attended f32[QUERY_SIZE].
extern "C" __global__ void joinRuns(const float* partial, const int* positionPointer, float* attended) {
  __shared__ float scales[SPLITS], scratch[32], parts[JOIN_WAYS][HEAD_DIM];
  allowNextKernel();
  waitForPreviousKernel();
  const int position = *positionPointer, runs = position / runLength(position) + 1;
  const float* rows = partial + (size_t)blockIdx.x * SPLITS * (HEAD_DIM + 2);
  float top = -3.0e38f;
  for (int s = threadIdx.x; s < runs; s += blockDim.x) top = fmaxf(top, __ldcg(rows + s * (HEAD_DIM + 2) + HEAD_DIM));
  top = warpMax(top);
  if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = top;
  __syncthreads();
  for (int warp = 0; warp < (int)blockDim.x / 32; ++warp) top = fmaxf(top, scratch[warp]);
  float total = 0;
  for (int s = threadIdx.x; s < runs; s += blockDim.x) {
    scales[s] = __expf(__ldcg(rows + s * (HEAD_DIM + 2) + HEAD_DIM) - top);
    total += scales[s] * __ldcg(rows + s * (HEAD_DIM + 2) + HEAD_DIM + 1);
  }
  total = blockSum(total, scratch);
  const int way = threadIdx.x / HEAD_DIM, d = threadIdx.x % HEAD_DIM;
  float value = 0;
#pragma unroll 8
  for (int s = way; s < runs; s += JOIN_WAYS) value = fmaf(scales[s], __ldcg(rows + s * (HEAD_DIM + 2) + d), value);
  parts[way][d] = value;
  __syncthreads();
  if (way == 0) {
    for (int other = 1; other < JOIN_WAYS; ++other) value += parts[other][d];
    attended[blockIdx.x * HEAD_DIM + d] = value / total;
  }
}

template <int K> __device__ __forceinline__ void projectPlain(const float* input, const Matrix& matrix, float* output, int count) {
  allowNextKernel();
  const auto locate = [&](int first, Row (&rows)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) rows[r] = rowOf<K>(matrix, min(first + r, count - 1));
  };
  Tile tile;
  loadFirstTile<K>(tile, count, ROWS, locate);
  waitForPreviousKernel();
  stagePlain<K>(input, shared);
  multiplyRows<K>(tile, count, ROWS, shared, locate, [&](int first, const float (&sums)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      if (first + r < count) output[first + r] = sums[r];
    }
  });
}

// delta = o_proj(attended), f32[HIDDEN].
extern "C" __global__ void __launch_bounds__(THREADS) projectOutput(const float* attended, Matrix o, float* delta) { projectPlain<QUERY_SIZE>(attended, o, delta, HIDDEN); }

// activated = silu(gate) * up of the normed residual, f32[INTERMEDIATE]; gate_up holds the gate's rows first.
extern "C" __global__ void __launch_bounds__(THREADS) projectGateUp(const float* x, const float* delta, const u16* normAfter, const u16* normBefore, float* sumOut, Matrix gateUp, float* activated) {
  __shared__ float scratch[WARPS];
  constexpr int PAIRS = ROWS / 2;
  allowNextKernel();
  const auto locate = [&](int first, Row (&rows)[ROWS]) {
#pragma unroll
    for (int p = 0; p < PAIRS; ++p) {
      const int row = min(first + p, INTERMEDIATE - 1);
      rows[2 * p] = rowOf<HIDDEN>(gateUp, row);
      rows[2 * p + 1] = rowOf<HIDDEN>(gateUp, INTERMEDIATE + row);
    }
  };
  Tile tile;
  loadFirstTile<HIDDEN>(tile, INTERMEDIATE, PAIRS, locate);
  waitForPreviousKernel();
  stageResidual(x, delta, normAfter, normBefore, sumOut, shared, scratch);
  multiplyRows<HIDDEN>(tile, INTERMEDIATE, PAIRS, shared, locate, [&](int first, const float (&sums)[ROWS]) {
#pragma unroll
    for (int p = 0; p < PAIRS; ++p) {
      const float gate = sums[2 * p];
      if (first + p < INTERMEDIATE) activated[first + p] = gate / (1.0f + __expf(-gate)) * sums[2 * p + 1];
    }
  });
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
  allowNextKernel();
  const auto locate = [&](int first, Row (&rows)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) rows[r] = rowOf<HIDDEN>(head, min(first + r, VOCAB - 1));
  };
  Tile tile;
  loadFirstTile<HIDDEN>(tile, VOCAB, ROWS, locate);
  waitForPreviousKernel();
  stageResidual(x, delta, normAfter, normBefore, nullptr, shared, scratch);
  multiplyRows<HIDDEN>(tile, VOCAB, ROWS, shared, locate, [&](int first, const float (&sums)[ROWS]) {
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      if (first + r < VOCAB) logits[first + r] = sums[r];
    }
  });
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

// Each block keeps the best 64 of 1,024 logits of one row; grid (blocks, rows), 512 threads. logits f32[rows, VOCAB].
extern "C" __global__ void pickFromLogits(const float* __restrict__ logits, u64* __restrict__ picked) {
  __shared__ u64 keys[1024];
  waitForPreviousKernel();
  allowNextKernel();
  for (int i = threadIdx.x; i < 1024; i += 512) {
    const int id = blockIdx.x * 1024 + i;
    keys[i] = id < VOCAB ? sortKey(__ldcg(logits + (size_t)blockIdx.y * VOCAB + id), id) : 0;
  }
  sortDescending(keys);
  if (threadIdx.x < TOP) picked[(blockIdx.y * gridDim.x + blockIdx.x) * TOP + threadIdx.x] = keys[threadIdx.x];
}

// Each block keeps the best 64 of 1,024 picked ones of one row; grid (blocks, rows), 512 threads. from u64[rows, count].
extern "C" __global__ void pickFromPicked(const u64* __restrict__ from, int count, u64* __restrict__ picked) {
  __shared__ u64 keys[1024];
  waitForPreviousKernel();
  allowNextKernel();
  for (int i = threadIdx.x; i < 1024; i += 512) {
    const int at = blockIdx.x * 1024 + i;
    keys[i] = at < count ? __ldcg(from + (size_t)blockIdx.y * count + at) : 0;
  }
  sortDescending(keys);
  if (threadIdx.x < TOP) picked[(blockIdx.y * gridDim.x + blockIdx.x) * TOP + threadIdx.x] = keys[threadIdx.x];
}

// Unpacks the final 64 of each row: best i32[rows, 2, 64], ids before the values' bits. With a single sequence (state given) the best one becomes
// the next token and the position moves on: state i32[2]. Grid rows, 64 threads.
extern "C" __global__ void finishStep(const u64* __restrict__ picked, int* __restrict__ best, int* state) {
  waitForPreviousKernel();
  allowNextKernel();
  const u64 key = __ldcg(picked + blockIdx.x * TOP + threadIdx.x);
  const u32 ordered = (u32)(key >> 32), id = ~(u32)key;
  best[blockIdx.x * 2 * TOP + threadIdx.x] = (int)id;
  best[blockIdx.x * 2 * TOP + TOP + threadIdx.x] = (int)((ordered & 0x80000000u) ? ordered & 0x7fffffffu : ~ordered);
  if (threadIdx.x == 0 && state != nullptr) {
    state[0] = (int)id;
    state[1] += 1;
  }
}

// The best token of each row as the runtime's input ids: best i32[rows, 2, 64], ids i64[rows]. One block.
extern "C" __global__ void feedTokens(const int* __restrict__ best, long long* __restrict__ ids, int rows) {
  for (int row = threadIdx.x; row < rows; row += blockDim.x) ids[row] = best[row * 2 * TOP];
}
