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
  const auto rowAt = [&](int row) {
    return row < QUERY_SIZE ? rowOf<HIDDEN>(q, row) : row < QUERY_SIZE + KV_SIZE ? rowOf<HIDDEN>(k, row - QUERY_SIZE) : rowOf<HIDDEN>(v, row - QUERY_SIZE - KV_SIZE);
  };
  Ahead ahead;
  loadAhead<HIDDEN>(ahead, COUNT, rowAt);
  waitForPreviousKernel();
  stageResidual(x, delta, normAfter, normBefore, sumOut, shared, scratch);
  multiplyRows<HIDDEN>(ahead, COUNT, shared, rowAt, [&](int row, float sum, float) {
    float bias = 0;
    if (QKV_BIAS) bias = bf16ToFloat(row < QUERY_SIZE ? qBias[row] : row < QUERY_SIZE + KV_SIZE ? kBias[row - QUERY_SIZE] : vBias[row - QUERY_SIZE - KV_SIZE]);
    qkv[row] = sum + bias;
  });
}

template <int K> __device__ __forceinline__ void projectPlain(const float* input, const Matrix& matrix, float* output, int count) {
  allowNextKernel();
  const auto rowAt = [&](int row) { return rowOf<K>(matrix, row); };
  Ahead ahead;
  loadAhead<K>(ahead, count, rowAt);
  waitForPreviousKernel();
  stagePlain<K>(input, shared);
  multiplyRows<K>(ahead, count, shared, rowAt, [&](int row, float sum, float) { output[row] = sum; });
}

// delta = o_proj(attended), f32[HIDDEN].
extern "C" __global__ void __launch_bounds__(THREADS) projectOutput(const float* attended, Matrix o, float* delta) { projectPlain<QUERY_SIZE>(attended, o, delta, HIDDEN); }

// activated = silu(gate) * up of the normed residual, f32[INTERMEDIATE]; gate_up holds the gate's rows first, here the two take turns.
extern "C" __global__ void __launch_bounds__(THREADS) projectGateUp(const float* x, const float* delta, const u16* normAfter, const u16* normBefore, float* sumOut, Matrix gateUp, float* activated) {
  __shared__ float scratch[WARPS];
  constexpr int COUNT = 2 * INTERMEDIATE;
  allowNextKernel();
  const auto rowAt = [&](int row) { return rowOf<HIDDEN>(gateUp, (row & 1) * INTERMEDIATE + (row >> 1)); };
  Ahead ahead;
  loadAhead<HIDDEN>(ahead, COUNT, rowAt);
  waitForPreviousKernel();
  stageResidual(x, delta, normAfter, normBefore, sumOut, shared, scratch);
  multiplyRows<HIDDEN>(ahead, COUNT, shared, rowAt, [&](int row, float gate, float up) {
    if ((row & 1) == 0) activated[row >> 1] = gate / (1.0f + __expf(-gate)) * up;
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
  const auto rowAt = [&](int row) { return rowOf<HIDDEN>(head, row); };
  Ahead ahead;
  loadAhead<HIDDEN>(ahead, VOCAB, rowAt);
  waitForPreviousKernel();
  stageResidual(x, delta, normAfter, normBefore, nullptr, shared, scratch);
  multiplyRows<HIDDEN>(ahead, VOCAB, shared, rowAt, [&](int row, float sum, float) { logits[row] = sum; });
}
