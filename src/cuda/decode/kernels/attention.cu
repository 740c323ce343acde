// Rotation, the KV cache, and attention of one token over it. Follows common.cu.

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
