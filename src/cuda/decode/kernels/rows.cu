// What every projection is made of: the input vector staged in shared memory, and the rows of a matrix. Follows matrixUnits.cu.

extern __shared__ __align__(16) float shared[];

struct Matrix {
  const void* weights;   // bf16[out, in], or u8[out, in / 32, 32 * bits / 8]
  const u16* scales;     // f16 or bf16[out, in / 32] for quantised weights
};

#if WEIGHT_BITS == 16
#define LANE_LENGTH 8
#define WORDS 1                   // uint4s of LANE_LENGTH weights
#else
#define LANE_LENGTH 32
#define WORDS (WEIGHT_BITS / 4)
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

__device__ __forceinline__ float scaleToFloat(u16 bits) { return SCALE_BF16 ? bf16ToFloat(bits) : halfToFloat(bits); }

// ---- staging: a thread brings eight neighbours at a time ---------------------------------------------------------------------------------------

// Elements [8 index, 8 index + 8) of a K-long input, in the order in which the dot products read them: a lane reads 8 (bf16) or 32 (quantised) neighbours as float4s,
// and the j-th float4s of all lanes lie next to each other, which keeps shared memory free of bank conflicts.
template <int K> __device__ __forceinline__ void stageEight(float* staged, int index, const float (&values)[8]) {
  constexpr int GROUPS = K / LANE_LENGTH;
  const int group = index * 8 / LANE_LENGTH, part = index * 8 % LANE_LENGTH / 4;
#if WEIGHT_BITS == 4
  // 4-bit weights are taken out of a word in place, as multiples of 16^j; the input carries the inverse power of two, which is exact.
  const float inverse[4] = {1.0f, 1.0f / 16, 1.0f / 256, 1.0f / 4096};
#else
  const float inverse[4] = {1.0f, 1.0f, 1.0f, 1.0f};
#endif
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float* four = values + 4 * half;
    ((float4*)staged)[(part + half) * GROUPS + group] = make_float4(four[0] * inverse[0], four[1] * inverse[1], four[2] * inverse[2], four[3] * inverse[3]);
  }
}

__device__ __forceinline__ void loadEight(const float* from, float (&values)[8]) {
  const float4 a = __ldcg((const float4*)from), b = __ldcg((const float4*)from + 1);
  values[0] = a.x; values[1] = a.y; values[2] = a.z; values[3] = a.w;
  values[4] = b.x; values[5] = b.y; values[6] = b.z; values[7] = b.w;
}

// staged = x, as it is.
template <int K> __device__ void stagePlain(const float* __restrict__ x, float* staged) {
  for (int index = threadIdx.x; index < K / 8; index += THREADS) {
    float values[8];
    loadEight(x + 8 * index, values);
    stageEight<K>(staged, index, values);
  }
  __syncthreads();
}

__device__ __forceinline__ void scaleEight(float (&values)[8], float scale, const u16* weights) {
  const uint4 w = *(const uint4*)weights;
  const u32 pairs[4] = {w.x, w.y, w.z, w.w};
#pragma unroll
  for (int p = 0; p < 4; ++p) {
    values[2 * p] *= scale * lowBf16(pairs[p]);
    values[2 * p + 1] *= scale * highBf16(pairs[p]);
  }
}

// sum = x + (normAfter ? rmsnorm(delta) * normAfter : delta); staged = rmsnorm(sum) * normBefore. Block 0 stores the sum.
__device__ void stageResidual(const float* __restrict__ x, const float* __restrict__ delta, const u16* __restrict__ normAfter,
                              const u16* __restrict__ normBefore, float* __restrict__ sumOut, float* staged, float* scratch) {
  constexpr int PER_THREAD = (HIDDEN / 8 + THREADS - 1) / THREADS;
  float sum[PER_THREAD][8], add[PER_THREAD][8];
  float squares = 0;
#pragma unroll
  for (int n = 0; n < PER_THREAD; ++n) {
    const int index = threadIdx.x + n * THREADS;
#pragma unroll
    for (int e = 0; e < 8; ++e) sum[n][e] = add[n][e] = 0;
    if (index < HIDDEN / 8) {
      loadEight(x + 8 * index, sum[n]);
      if (delta != nullptr) loadEight(delta + 8 * index, add[n]);
    }
#pragma unroll
    for (int e = 0; e < 8; ++e) squares += add[n][e] * add[n][e];
  }
  if (delta != nullptr && normAfter != nullptr) {
    const float scale = rsqrtf(blockSum(squares, scratch) / HIDDEN + EPS);
#pragma unroll
    for (int n = 0; n < PER_THREAD; ++n) {
      const int index = threadIdx.x + n * THREADS;
      if (index < HIDDEN / 8) scaleEight(add[n], scale, normAfter + 8 * index);
    }
  }
  squares = 0;
#pragma unroll
  for (int n = 0; n < PER_THREAD; ++n) {
#pragma unroll
    for (int e = 0; e < 8; ++e) {
      sum[n][e] += add[n][e];
      squares += sum[n][e] * sum[n][e];
    }
  }
  const float scale = rsqrtf(blockSum(squares, scratch) / HIDDEN + EPS);
#pragma unroll
  for (int n = 0; n < PER_THREAD; ++n) {
    const int index = threadIdx.x + n * THREADS;
    if (index < HIDDEN / 8) {
      if (blockIdx.x == 0 && sumOut != nullptr) {
        ((float4*)sumOut)[2 * index] = make_float4(sum[n][0], sum[n][1], sum[n][2], sum[n][3]);
        ((float4*)sumOut)[2 * index + 1] = make_float4(sum[n][4], sum[n][5], sum[n][6], sum[n][7]);
      }
      scaleEight(sum[n], scale, normBefore + 8 * index);
      stageEight<HIDDEN>(staged, index, sum[n]);
    }
  }
  __syncthreads();
}

// ---- rows of a matrix, dotted with the staged input: a warp takes ROWS rows, a lane every 32nd group of their weights -----------------------------

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
    for (int part = 0; part < WEIGHT_BITS; ++part) {  // one 32-bit word of each row
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
    for (int r = 0; r < ROWS; ++r) sums[r] = fmaf(scaleToFloat(tile.scales[r][d]), block[r], sums[r]);
#endif
  }
}

// The first rows of this warp; warps of all blocks take neighbouring rows, so that every multiprocessor has the same share.
__device__ __forceinline__ int firstRow() { return ((threadIdx.x >> 5) * gridDim.x + blockIdx.x) * ROWS; }

template <class RowAt> __device__ __forceinline__ void locateRows(Row (&rows)[ROWS], int first, int count, const RowAt& rowAt) {
#pragma unroll
  for (int r = 0; r < ROWS; ++r) rows[r] = rowAt(min(first + r, count - 1));
}

// Weights on their way: they don't depend on the kernel before, so that they can be asked for while that one is still running.
typedef Tile Ahead;

template <int K, class RowAt> __device__ __forceinline__ void loadAhead(Ahead& tile, int count, const RowAt& rowAt) {
  Row rows[ROWS];
  const int first = firstRow();
  if (first < count) {
    locateRows(rows, first, count, rowAt);
    loadTile<K>(tile, rows, 0);
  }
}

// Rounds over the rows [0, count) that `rowAt` names. `store(index, sum, next)` takes a row's dot product and that of the row after it, which is valid for even rows.
template <int K, class RowAt, class Store>
__device__ __forceinline__ void multiplyRows(Ahead& tile, int count, const float* staged, const RowAt& rowAt, const Store& store) {
  constexpr int TILES = (K / LANE_LENGTH + 32 * DEPTH - 1) / (32 * DEPTH);
  const float4* input = (const float4*)staged;
  Row rows[ROWS];
  int first = firstRow();
  if (first < count) locateRows(rows, first, count, rowAt);
  while (first < count) {
    const int next = first + WARPS * gridDim.x * ROWS;
    Row nextRows[ROWS];
    if (next < count) locateRows(nextRows, next, count, rowAt);
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
    if ((threadIdx.x & 31) == 0) {
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        if (first + r < count) store(first + r, sums[r], sums[min(r + 1, ROWS - 1)]);
      }
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) rows[r] = nextRows[r];
    first = next;
  }
}
