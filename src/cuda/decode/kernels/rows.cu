// Products of a matrix's rows with one vector, which every projection is made of. Follows common.cu.

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
