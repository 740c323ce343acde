// Rotation, the KV cache, and attention of one token over it. Follows matrixUnits.cu.
//
// The positions of a KV head are cut into runs, one block each, which the block walks tile by tile with a running softmax (arXiv 2205.14135, 2311.01282).
// Queries of all heads of the group meet a key or value at once, so that the cache is read once. When its run is done a block waits for the other runs of
// its KV head and joins its share of the output: all blocks of the launch must be on the device together (a cooperative launch).

#define TILE 64                                      // positions
#define QUERY_ROWS ((GROUP + 15) / 16 * 16)          // heads of a group, filled up with zeros
#define ROW_TILES (QUERY_ROWS / 16)
#define HEAD_STRIDE (HEAD_DIM + 8)                   // of rows in shared memory: no two of eight neighbours begin in the same bank
#define SCORE_STRIDE (TILE + 4)                      // floats
#define ATTEND_WARPS 8
#define HEADS_PER_WARP ((GROUP + ATTEND_WARPS - 1) / ATTEND_WARPS)
#define DIM_TILES (HEAD_DIM / 8)
#define TILES_PER_WARP ((DIM_TILES + ATTEND_WARPS - 1) / ATTEND_WARPS)
#define NEVER -3.0e38f                               // below every score, and finite

// A pair of neighbouring elements of a head after interleaved rotary embedding (arXiv 2104.09864): pairs of the first ROTARY dimensions turn by table[position, pair].
__device__ __forceinline__ float2 rotatedPair(const float* head, int pair, const float2* turns) {
  const float2 value = __ldcg((const float2*)head + pair);
  if (2 * pair >= ROTARY) return value;
  const float2 turn = turns[pair];
  return make_float2(value.x * turn.x - value.y * turn.y, value.y * turn.x + value.x * turn.y);
}

// ---- keys and values: as the cache holds them, and as bf16 in shared memory --------------------------------------------------------------------

#if KV_BITS == 8
typedef signed char KvElement;
// A key's scales go into the query and a value's into the output, so that both are multiplied as whole numbers, which bf16 holds exactly.
__device__ __forceinline__ KvElement toCache(float value, float scale) { return (KvElement)max(-128, min(127, __float2int_rn(value / scale))); }
__device__ __forceinline__ u16 cachedToBf16(KvElement element) { return floatToBf16((float)element); }
// Two bytes of a word as bf16: with the sign bit turned they count from -128, as the low bits of 2^23.
__device__ __forceinline__ u32 bytePair(u32 turned, u32 first, u32 second) {
  const float magic = 8388608.0f + 128.0f;
  const float a = __uint_as_float(__byte_perm(turned, 0x4b000000u, first)) - magic, b = __uint_as_float(__byte_perm(turned, 0x4b000000u, second)) - magic;
  return __byte_perm(__float_as_uint(a), __float_as_uint(b), 0x7632);
}
__device__ __forceinline__ uint2 wordToBf16(u32 word) {
  const u32 turned = word ^ 0x80808080u;
  return make_uint2(bytePair(turned, 0x7540, 0x7541), bytePair(turned, 0x7542, 0x7543));
}
__device__ __forceinline__ void loadVector(u16* to, const KvElement* from, bool inside) {
  const uint4 words = inside ? __ldcg((const uint4*)from) : make_uint4(0, 0, 0, 0);
  const uint2 a = wordToBf16(words.x), b = wordToBf16(words.y), c = wordToBf16(words.z), d = wordToBf16(words.w);
  ((uint4*)to)[0] = make_uint4(a.x, a.y, b.x, b.y);
  ((uint4*)to)[1] = make_uint4(c.x, c.y, d.x, d.y);
}
#define SCALE_OF(scales, channel) ((scales)[channel])
#else
typedef u16 KvElement;
__device__ __forceinline__ KvElement toCache(float value, float) { return floatToBf16(value); }
__device__ __forceinline__ u16 cachedToBf16(KvElement element) { return element; }
__device__ __forceinline__ void loadVector(u16* to, const KvElement* from, bool inside) { copyAsync(to, from, inside); }
#define SCALE_OF(scales, channel) 1.0f
#endif
#define KV_VECTOR (16 / (int)sizeof(KvElement))      // elements in 16 bytes

// `count` positions into shared memory, with zeros up to the next multiple of 16; not the row of the token being decoded.
__device__ __forceinline__ void loadPositions(u16 (*to)[HEAD_STRIDE], const KvElement* rows, int count, int fresh) {
  constexpr int VECTORS = HEAD_DIM / KV_VECTOR;
  for (int i = threadIdx.x; i < (count + 15) / 16 * 16 * VECTORS; i += 32 * ATTEND_WARPS) {
    const int row = i / VECTORS, part = i % VECTORS * KV_VECTOR;
    if (row != fresh) loadVector(&to[row][part], rows + (size_t)min(row, count - 1) * HEAD_DIM + part, row < count);
  }
  closeCopies();
}

// Asks for `count` positions to be in L2 by the time they are loaded.
__device__ __forceinline__ void expectPositions(const KvElement* rows, int count) {
  for (int byte = threadIdx.x * 128; byte < count * HEAD_DIM * (int)sizeof(KvElement); byte += 32 * ATTEND_WARPS * 128) {
    asm volatile("prefetch.global.L2 [%0];" ::"l"((const char*)rows + byte));
  }
}

struct AttentionSpace {
  u16 queryHigh[QUERY_ROWS][HEAD_STRIDE], queryLow[QUERY_ROWS][HEAD_STRIDE];
  u16 keys[TILE][HEAD_STRIDE], values[TILE][HEAD_STRIDE];
  float scores[QUERY_ROWS][SCORE_STRIDE];            // then the weights of the softmax, bf16: TILE high parts and TILE low parts
  float rescale[QUERY_ROWS];
};

// ---- runs ------------------------------------------------------------------------------------------------------------------------------------

// Positions a block takes: the context is cut evenly into at most SPLITS runs of at least a tile.
__device__ __forceinline__ int runLength(int position) { return max(TILE, (position / SPLITS + 16) / 16 * 16); }

__device__ __forceinline__ u32 loadAcquire(const u32* address) {
  u32 value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(address) : "memory");
  return value;
}

#define MOST_POLLS (1u << 22)

// Returns once `runs` blocks have come here, whose writes are then visible. counters u32[2], zero before and after.
__device__ __forceinline__ void waitForRuns(u32* counters, u32 runs) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(counters, 1u);
    // Some seconds at most: a block that never comes is a defect, and an error is better than a device that no one can take back.
    for (u32 polls = 0; loadAcquire(counters) < runs; ++polls) {
      if (polls == MOST_POLLS) __trap();
    }
    // The last to leave turns both back for the next layer.
    if (atomicAdd(counters + 1, 1u) == runs - 1) {
      counters[0] = 0;
      counters[1] = 0;
    }
  }
  __syncthreads();
}

#define JOIN_WAYS 8                                  // lanes that share four outputs

// This block's share of a KV head's output. Layouts as in attendToken.
__device__ __forceinline__ void joinRuns(const float* partial, const float2* sums, int run, int runs, float* attended) {
  constexpr int QUADS = GROUP * HEAD_DIM / 4;
  const int share = (QUADS + runs - 1) / runs, way = threadIdx.x % JOIN_WAYS, last = min(QUADS, (run + 1) * share);
  for (int first = run * share; first < last; first += 32 * ATTEND_WARPS / JOIN_WAYS) {
    const int quad = first + threadIdx.x / JOIN_WAYS, at = min(quad, QUADS - 1), h = at * 4 / HEAD_DIM;
    float top = NEVER, total = 0;
    float4 value = make_float4(0, 0, 0, 0);
#pragma unroll 4
    for (int s = way; s < runs; s += JOIN_WAYS) {
      const float2 sum = __ldcg(sums + s * GROUP + h);
      const float4 part = __ldcg((const float4*)partial + (size_t)s * QUADS + at);
      const float highest = fmaxf(top, sum.x), keep = exp2f(top - highest), weight = exp2f(sum.x - highest);
      total = total * keep + sum.y * weight;
      value = make_float4(value.x * keep + part.x * weight, value.y * keep + part.y * weight, value.z * keep + part.z * weight, value.w * keep + part.w * weight);
      top = highest;
    }
    float highest = top;
#pragma unroll
    for (int offset = JOIN_WAYS / 2; offset > 0; offset >>= 1) highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, offset));
    const float keep = exp2f(top - highest);
    float joined[5] = {value.x * keep, value.y * keep, value.z * keep, value.w * keep, total * keep};
#pragma unroll
    for (int offset = JOIN_WAYS / 2; offset > 0; offset >>= 1) {
#pragma unroll
      for (int n = 0; n < 5; ++n) joined[n] += __shfl_xor_sync(~0u, joined[n], offset);
    }
    if (way == 0 && quad < last) ((float4*)attended)[quad] = make_float4(joined[0] / joined[4], joined[1] / joined[4], joined[2] / joined[4], joined[3] / joined[4]);
  }
}

// Attention of the token at `position`: grid (KV_HEADS, SPLITS), 256 threads, sizeof(AttentionSpace) of shared memory. One block a KV head appends to the cache.
// rotary: float2(cos, sin)[CONTEXT, ROTARY / 2]. keyScales, valueScales: f32[KV_HEADS, HEAD_DIM] for a cache of 8 bits, otherwise unused.
// partial f32[KV_HEADS, SPLITS, GROUP, HEAD_DIM]: unnormalised outputs; sums float2[KV_HEADS, SPLITS, GROUP]: maximum and sum of the softmax, to base 2.
// counters u32[KV_HEADS, 2], zero. attended f32[QUERY_SIZE].
extern "C" __global__ void __launch_bounds__(32 * ATTEND_WARPS) attendToken(const float* qkv, KvElement* keyCache, KvElement* valueCache, const float* __restrict__ keyScales,
                                                                            const float* __restrict__ valueScales, const float2* __restrict__ rotary, const int* positionPointer,
                                                                            float* partial, float2* sums, u32* counters, float* attended) {
  AttentionSpace& space = *(AttentionSpace*)shared;
  allowNextKernel();
  const int position = *(volatile const int*)positionPointer, head = blockIdx.x, length = runLength(position), start = blockIdx.y * length;
  if (start > position) return;
  const int end = min(start + length, position + 1), runs = position / length + 1;
  KvElement* keyRows = keyCache + (size_t)head * CONTEXT * HEAD_DIM;
  KvElement* valueRows = valueCache + (size_t)head * CONTEXT * HEAD_DIM;
  loadPositions(space.keys, keyRows + (size_t)start * HEAD_DIM, min(TILE, end - start), position - start);
  loadPositions(space.values, valueRows + (size_t)start * HEAD_DIM, min(TILE, end - start), position - start);
  const auto expectTile = [&](int at) {
    if (at >= end) return;
    expectPositions(keyRows + (size_t)at * HEAD_DIM, min(TILE, end - at));
    expectPositions(valueRows + (size_t)at * HEAD_DIM, min(TILE, end - at));
  };
  expectTile(start + TILE);
  waitForPreviousKernel();
  const float2* turns = rotary + (size_t)position * (ROTARY / 2);
  // To base 2, which the hardware's exponential has.
  const float scale = rsqrtf((float)HEAD_DIM) * 1.4426950408889634f;
  for (int i = threadIdx.x; i < QUERY_ROWS * HEAD_DIM / 2; i += 32 * ATTEND_WARPS) {
    const int h = i / (HEAD_DIM / 2), pair = i % (HEAD_DIM / 2), channel = head * HEAD_DIM + 2 * pair;
    float2 query = make_float2(0, 0);
    if (h < GROUP) query = rotatedPair(qkv + (head * GROUP + h) * HEAD_DIM, pair, turns);
    splitPair(query.x * scale * SCALE_OF(keyScales, channel), query.y * scale * SCALE_OF(keyScales, channel + 1), *(u32*)&space.queryHigh[h][2 * pair], *(u32*)&space.queryLow[h][2 * pair]);
  }
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, row = lane >> 2, column = (lane & 3) * 2;
  float top[HEADS_PER_WARP], total[HEADS_PER_WARP], output[ROW_TILES][TILES_PER_WARP][4];
#pragma unroll
  for (int n = 0; n < HEADS_PER_WARP; ++n) { top[n] = NEVER; total[n] = 0; }
#pragma unroll
  for (int m = 0; m < ROW_TILES; ++m) {
#pragma unroll
    for (int n = 0; n < TILES_PER_WARP; ++n) output[m][n][0] = output[m][n][1] = output[m][n][2] = output[m][n][3] = 0;
  }
  for (int at = start; at < end; at += TILE) {
    const int count = min(TILE, end - at), fresh = position - at, next = at + TILE, nextCount = min(TILE, end - next);
    if (fresh < TILE) {
      for (int pair = threadIdx.x; pair < HEAD_DIM / 2; pair += 32 * ATTEND_WARPS) {
        const float2 key = rotatedPair(qkv + QUERY_SIZE + head * HEAD_DIM, pair, turns), value = __ldcg((const float2*)(qkv + QUERY_SIZE + KV_SIZE + head * HEAD_DIM) + pair);
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          const int d = 2 * pair + n;
          const KvElement cachedKey = toCache(n == 0 ? key.x : key.y, SCALE_OF(keyScales, head * HEAD_DIM + d)), cachedValue = toCache(n == 0 ? value.x : value.y, SCALE_OF(valueScales, head * HEAD_DIM + d));
          keyRows[(size_t)position * HEAD_DIM + d] = cachedKey;
          valueRows[(size_t)position * HEAD_DIM + d] = cachedValue;
          space.keys[fresh][d] = cachedToBf16(cachedKey);
          space.values[fresh][d] = cachedToBf16(cachedValue);
        }
      }
    }
    waitForCopies<1>();
    __syncthreads();
    // Scores: a warp takes eight positions, for all heads.
    float score[ROW_TILES][4];
#pragma unroll
    for (int m = 0; m < ROW_TILES; ++m) score[m][0] = score[m][1] = score[m][2] = score[m][3] = 0;
    if (warp * 8 < count) {
#pragma unroll
      for (int d = 0; d < HEAD_DIM; d += 16) {
        u32 key[2];
        loadMatrices(key, &space.keys[warp * 8 + (lane & 7)][d + (lane & 8)]);
#pragma unroll
        for (int m = 0; m < ROW_TILES; ++m) {
          u32 query[4];
          loadMatrices(query, &space.queryHigh[m * 16 + (lane & 15)][d + (lane >> 4) * 8]);
          multiplyMatrices(score[m], query, key);
          loadMatrices(query, &space.queryLow[m * 16 + (lane & 15)][d + (lane >> 4) * 8]);
          multiplyMatrices(score[m], query, key);
        }
      }
    }
#pragma unroll
    for (int m = 0; m < ROW_TILES; ++m) {
      *(float2*)&space.scores[m * 16 + row][warp * 8 + column] = make_float2(score[m][0], score[m][1]);
      *(float2*)&space.scores[m * 16 + row + 8][warp * 8 + column] = make_float2(score[m][2], score[m][3]);
    }
    __syncthreads();
    if (nextCount > 0) {
      loadPositions(space.keys, keyRows + (size_t)next * HEAD_DIM, nextCount, position - next);
      expectTile(next + TILE);
    } else {
      closeCopies();
    }
    // Softmax: a warp takes whole heads, a lane two positions.
#pragma unroll
    for (int n = 0; n < HEADS_PER_WARP; ++n) {
      const int h = warp + ATTEND_WARPS * n;
      if (h >= GROUP) break;
      float2 own = *(const float2*)&space.scores[h][2 * lane];
      if (2 * lane >= count) own.x = NEVER;
      if (2 * lane + 1 >= count) own.y = NEVER;
      const float highest = fmaxf(top[n], warpMax(fmaxf(own.x, own.y))), keep = exp2f(top[n] - highest);
      const float2 weight = make_float2(2 * lane < count ? exp2f(own.x - highest) : 0.0f, 2 * lane + 1 < count ? exp2f(own.y - highest) : 0.0f);
      total[n] = total[n] * keep + warpSum(weight.x + weight.y);
      top[n] = highest;
      // warpMax has made every lane wait for all reads of this row.
      u32* weights = (u32*)space.scores[h];
      splitPair(weight.x, weight.y, weights[lane], weights[TILE / 2 + lane]);
      if (lane == 0) space.rescale[h] = keep;
    }
    waitForCopies<1>();
    __syncthreads();
    // Outputs: a warp takes eight dimensions at a time, for all heads.
#pragma unroll
    for (int m = 0; m < ROW_TILES; ++m) {
      const float keep[2] = {space.rescale[min(m * 16 + row, GROUP - 1)], space.rescale[min(m * 16 + row + 8, GROUP - 1)]};
#pragma unroll
      for (int n = 0; n < TILES_PER_WARP; ++n) {
        output[m][n][0] *= keep[0];
        output[m][n][1] *= keep[0];
        output[m][n][2] *= keep[1];
        output[m][n][3] *= keep[1];
      }
    }
    for (int p = 0; p < count; p += 16) {
      u32 high[ROW_TILES][4], low[ROW_TILES][4];
#pragma unroll
      for (int m = 0; m < ROW_TILES; ++m) {
        const u16* weights = (const u16*)space.scores[m * 16 + (lane & 15)] + p + (lane >> 4) * 8;
        loadMatrices(high[m], weights);
        loadMatrices(low[m], weights + TILE);
      }
#pragma unroll
      for (int n = 0; n < TILES_PER_WARP; ++n) {
        const int tile = warp * TILES_PER_WARP + n;
        if (tile >= DIM_TILES) break;
        u32 value[2];
        loadTransposed(value, &space.values[p + (lane & 15)][tile * 8]);
#pragma unroll
        for (int m = 0; m < ROW_TILES; ++m) {
          multiplyMatrices(output[m][n], high[m], value);
          multiplyMatrices(output[m][n], low[m], value);
        }
      }
    }
    __syncthreads();
    if (nextCount > 0) loadPositions(space.values, valueRows + (size_t)next * HEAD_DIM, nextCount, position - next);
    else closeCopies();
  }
  // One run alone is the whole softmax.
  const bool isWhole = runs == 1;
  const size_t ownRun = (size_t)head * SPLITS + blockIdx.y;
#pragma unroll
  for (int n = 0; n < HEADS_PER_WARP; ++n) {
    const int h = warp + ATTEND_WARPS * n;
    if (h < GROUP && lane == 0) {
      space.rescale[h] = isWhole ? 1.0f / total[n] : 1.0f;
      sums[ownRun * GROUP + h] = make_float2(top[n], total[n]);
    }
  }
  __syncthreads();
  float* target = isWhole ? attended + (size_t)head * GROUP * HEAD_DIM : partial + ownRun * GROUP * HEAD_DIM;
#pragma unroll
  for (int m = 0; m < ROW_TILES; ++m) {
#pragma unroll
    for (int n = 0; n < TILES_PER_WARP; ++n) {
      const int tile = warp * TILES_PER_WARP + n, d = tile * 8 + column, channel = head * HEAD_DIM + d;
      if (tile >= DIM_TILES) break;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int h = m * 16 + row + 8 * half;
        if (h < GROUP) *(float2*)(target + h * HEAD_DIM + d) = make_float2(output[m][n][2 * half] * space.rescale[h] * SCALE_OF(valueScales, channel), output[m][n][2 * half + 1] * space.rescale[h] * SCALE_OF(valueScales, channel + 1));
      }
    }
  }
  if (isWhole) return;
  waitForRuns(counters + 2 * head, (u32)runs);
  joinRuns(partial + (size_t)head * SPLITS * GROUP * HEAD_DIM, sums + (size_t)head * SPLITS * GROUP, blockIdx.y, runs, attended + (size_t)head * GROUP * HEAD_DIM);
}
