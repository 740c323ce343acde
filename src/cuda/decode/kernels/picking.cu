// The highest 64 logits, and what the next step begins with. Follows common.cu.

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
