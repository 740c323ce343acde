// The kernels of a step that multiply with weights: embedding, projections, head. Follows rows.cu.

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
