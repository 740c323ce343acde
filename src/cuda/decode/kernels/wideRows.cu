// Products of bf16 and 8-bit rows with the staged vector: a warp takes ROWS rows, a lane every 32nd group of weights. Follows rows.cu.

#if WEIGHT_BITS != 4

// A lane reads 8 (bf16) or 32 (8 bits) neighbours as float4s; the j-th float4s of all lanes lie next to each other, which keeps shared memory free of bank conflicts.
template <int K> __device__ __forceinline__ void stageEight(float* staged, int index, const float (&values)[8]) {
  if (index >= K / 8) return;
  constexpr int GROUPS = K / LANE_LENGTH;
  const int group = index * 8 / LANE_LENGTH, part = index * 8 % LANE_LENGTH / 4;
  ((float4*)staged)[part * GROUPS + group] = make_float4(values[0], values[1], values[2], values[3]);
  ((float4*)staged)[(part + 1) * GROUPS + group] = make_float4(values[4], values[5], values[6], values[7]);
}

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
    for (int part = 0; part < 8; ++part) {  // one 32-bit word of each row
      const float4 a = input[part * GROUPS + group];
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        const uint4 w = tile.words[r][d][part >> 2];
        const u32 word = (part & 3) == 0 ? w.x : (part & 3) == 1 ? w.y : (part & 3) == 2 ? w.z : w.w;
        block[r] += dotBytes(word, a);
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

#endif
