/**
 * The functions of ONNX Runtime's C API that this program calls, one line each.
 *
 * `index` is the place in the OrtApi table, `since` the API version that added it, `returns` what comes back, and `params` the header's
 * parameters under their header names. Handles and out-parameters are `void *`: koffi takes a handle as a bigint and an out-parameter as a
 * typed array. Sizes that may be device addresses are `uint64_t`, because a device pointer must never be dereferenced on the way.
 *
 * @see onnxruntime/core/session/onnxruntime_c_api.h; the table only ever grows, so an index is valid for every later version.
 */

export interface OrtFunctionSpec {
  readonly index: number;
  readonly since: number;
  /** `status`: an OrtStatus, null when all is well. */
  readonly returns: 'status' | 'void' | 'string' | 'int' | 'pointer';
  readonly params: string;
}

const status = (index: number, since: number, params: string): OrtFunctionSpec => ({ index, since, returns: 'status', params });
const release = (index: number, since: number): OrtFunctionSpec => ({ index, since, returns: 'void', params: 'void *input' });

export const ortFunctions = {
  // Status, environment
  GetErrorCode: { index: 1, since: 1, returns: 'int', params: 'void *status' },
  GetErrorMessage: { index: 2, since: 1, returns: 'string', params: 'void *status' },
  ReleaseStatus: release(93, 1),
  CreateEnv: status(3, 1, 'int log_severity_level, const char *logid, void *out'),
  DisableTelemetryEvents: status(6, 1, 'void *env'),
  ReleaseEnv: release(92, 1),
  GetAvailableProviders: status(125, 4, 'void *out_ptr, void *provider_length'),
  ReleaseAvailableProviders: status(126, 4, 'void *ptr, int providers_length'),
  GetBuildInfoString: { index: 254, since: 15, returns: 'string', params: '' },

  CreateArenaCfgV2: status(164, 8, 'const char **arena_config_keys, const size_t *arena_config_values, size_t num_keys, void *out'),
  ReleaseArenaCfg: release(157, 6),
  CreateAndRegisterAllocator: status(144, 5, 'void *env, void *mem_info, void *arena_cfg'),
  UnregisterAllocator: status(177, 9, 'void *env, void *mem_info'),

  // Session options
  CreateSessionOptions: status(10, 1, 'void *options'),
  ReleaseSessionOptions: release(100, 1),
  SetSessionGraphOptimizationLevel: status(23, 1, 'void *options, int graph_optimization_level'),
  SetIntraOpNumThreads: status(24, 1, 'void *options, int intra_op_num_threads'),
  SetInterOpNumThreads: status(25, 1, 'void *options, int inter_op_num_threads'),
  SetSessionLogSeverityLevel: status(22, 1, 'void *options, int session_log_severity_level'),
  EnableProfiling: status(14, 1, 'void *options, const OrtPathText *profile_file_prefix'),
  DisableMemPattern: status(17, 1, 'void *options'),
  DisableCpuMemArena: status(19, 1, 'void *options'),
  AddSessionConfigEntry: status(130, 5, 'void *options, const char *config_key, const char *config_value'),
  AddInitializer: status(150, 6, 'void *options, const char *name, void *val'),
  SessionOptionsAppendExecutionProvider: status(
    216,
    12,
    'void *options, const char *provider_name, const char **provider_options_keys, const char **provider_options_values, size_t num_keys',
  ),
  CreateCUDAProviderOptions: status(205, 11, 'void *out'),
  UpdateCUDAProviderOptions: status(206, 11, 'void *cuda_options, const char **provider_options_keys, const char **provider_options_values, size_t num_keys'),
  UpdateCUDAProviderOptionsWithValue: status(263, 16, 'void *cuda_options, const char *key, uint64_t value'),
  ReleaseCUDAProviderOptions: release(208, 11),
  SessionOptionsAppendExecutionProvider_CUDA_V2: status(204, 11, 'void *options, void *cuda_options'),
  SessionOptionsSetLoadCancellationFlag: status(293, 22, 'void *options, bool cancel'),
  RegisterExecutionProviderLibrary: status(301, 22, 'void *env, const char *registration_name, const OrtPathText *path'),
  UnregisterExecutionProviderLibrary: status(302, 22, 'void *env, const char *registration_name'),

  // Session
  CreateSession: status(7, 1, 'void *env, const OrtPathText *model_path, void *options, void *out'),
  CreateSessionFromArray: status(8, 1, 'void *env, const void *model_data, size_t model_data_length, void *options, void *out'),
  ReleaseSession: release(95, 1),
  SessionGetInputCount: status(30, 1, 'void *session, void *out'),
  SessionGetOutputCount: status(31, 1, 'void *session, void *out'),
  SessionGetInputName: status(36, 1, 'void *session, size_t index, void *allocator, void *value'),
  SessionGetOutputName: status(37, 1, 'void *session, size_t index, void *allocator, void *value'),
  SessionEndProfiling: status(110, 2, 'void *session, void *allocator, void *out'),
  SessionGetMemoryInfoForInputs: status(380, 23, 'void *session, void *inputs_memory_info, size_t num_inputs'),
  SessionGetMemoryInfoForOutputs: status(381, 23, 'void *session, void *outputs_memory_info, size_t num_outputs'),
  Session_GetEpGraphAssignmentInfo: status(407, 24, 'void *session, void *ep_subgraphs, void *num_ep_subgraphs'),
  EpAssignedSubgraph_GetEpName: status(408, 24, 'void *ep_subgraph, void *out'),
  EpAssignedSubgraph_GetNodes: status(409, 24, 'void *ep_subgraph, void *ep_nodes, void *num_ep_nodes'),
  EpAssignedNode_GetName: status(410, 24, 'void *ep_node, void *out'),
  EpAssignedNode_GetOperatorType: status(412, 24, 'void *ep_node, void *out'),
  SessionReleaseCapturedGraph: status(421, 27, 'void *session, int graph_annotation_id'),

  // Operators of our own
  CreateStatus: { index: 0, since: 1, returns: 'pointer', params: 'int code, const char *msg' },
  CreateCustomOpDomain: status(26, 1, 'const char *domain, void *out'),
  CustomOpDomain_Add: status(27, 1, 'void *custom_op_domain, void *op'),
  AddCustomOpDomain: status(28, 1, 'void *options, void *custom_op_domain'),
  ReleaseCustomOpDomain: release(101, 1),
  KernelContext_GetInput: status(90, 1, 'void *context, size_t index, void *out'),
  KernelContext_GetOutput: status(91, 1, 'void *context, size_t index, const int64_t *dim_values, size_t dim_count, void *out'),

  // Running
  CreateRunOptions: status(39, 1, 'void *out'),
  ReleaseRunOptions: release(97, 1),
  RunOptionsSetTerminate: status(46, 1, 'void *options'),
  RunOptionsUnsetTerminate: status(47, 1, 'void *options'),
  RunOptionsEnableProfiling: status(415, 25, 'void *options, const OrtPathText *profile_file_prefix'),
  RunOptionsDisableProfiling: status(416, 25, 'void *options'),
  AddRunConfigEntry: status(165, 8, 'void *options, const char *config_key, const char *config_value'),
  CreateIoBinding: status(134, 5, 'void *session, void *out'),
  ReleaseIoBinding: release(135, 5),
  BindInput: status(136, 5, 'void *binding, const char *name, void *val'),
  BindOutput: status(137, 5, 'void *binding, const char *name, void *val'),
  BindOutputToDevice: status(138, 5, 'void *binding, const char *name, void *mem_info'),
  GetBoundOutputValues: status(140, 5, 'void *binding, void *allocator, void *output, void *output_count'),
  ClearBoundInputs: { index: 141, since: 5, returns: 'void', params: 'void *binding' },
  ClearBoundOutputs: { index: 142, since: 5, returns: 'void', params: 'void *binding' },
  SynchronizeBoundInputs: status(202, 10, 'void *binding'),
  SynchronizeBoundOutputs: status(203, 10, 'void *binding'),
  RunWithBinding: status(133, 5, 'void *session, void *run_options, void *binding'),

  CopyTensors: status(386, 23, 'void *env, void *src_tensors, void *dst_tensors, void *stream, size_t num_tensors'),

  // Memory and values
  CreateMemoryInfo: status(68, 1, 'const char *name, int allocator_type, int id, int mem_type, void *out'),
  ReleaseMemoryInfo: release(94, 1),
  GetTensorMemoryInfo: status(194, 7, 'void *value, void *out'),
  MemoryInfoGetName: status(71, 1, 'void *ptr, void *out'),
  MemoryInfoGetId: status(72, 1, 'void *ptr, void *out'),
  CreateAllocator: status(131, 5, 'void *session, void *mem_info, void *out'),
  ReleaseAllocator: release(132, 5),
  GetAllocatorWithDefaultOptions: status(78, 1, 'void *out'),
  AllocatorAlloc: status(75, 1, 'void *allocator, size_t size, void *out'),
  AllocatorFree: status(76, 1, 'void *allocator, void *p'),
  AllocatorGetStats: status(319, 23, 'void *allocator, void *out'),
  GetKeyValuePairs: { index: 298, since: 22, returns: 'void', params: 'void *kvps, void *keys, void *values, void *num_entries' },
  ReleaseKeyValuePairs: release(300, 22),
  CreateTensorAsOrtValue: status(48, 1, 'void *allocator, const int64_t *shape, size_t shape_len, int type, void *out'),
  CreateTensorWithDataAsOrtValue: status(
    49,
    1,
    'void *info, uint64_t p_data, size_t p_data_len, const int64_t *shape, size_t shape_len, int type, void *out',
  ),
  GetTensorMutableData: status(51, 1, 'void *value, void *out'),
  GetTensorTypeAndShape: status(65, 1, 'void *value, void *out'),
  GetDimensionsCount: status(61, 1, 'void *info, void *out'),
  GetDimensions: status(62, 1, 'void *info, void *dim_values, size_t dim_values_length'),
  ReleaseTensorTypeAndShapeInfo: release(99, 1),
  ReleaseValue: release(96, 1),
} as const satisfies Readonly<Record<string, OrtFunctionSpec>>;

export type OrtFunctionName = keyof typeof ortFunctions;
