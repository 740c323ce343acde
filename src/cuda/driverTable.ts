/**
 * The functions of the CUDA driver API that this product calls: exported symbol and C signature in koffi's notation.
 *
 * Device pointers are `uint64_t` (bigint in JavaScript), handles are opaque `void *`.
 * Every function returns a CUresult; {@link CudaDriver.call} turns it into an error.
 * Suffixes such as `_v2` are part of the ABI and are what the headers' macros resolve to.
 *
 * @see CUDA Driver API reference, https://docs.nvidia.com/cuda/cuda-driver-api/
 */
export const driverFunctions = {
  cuInit: 'int cuInit(unsigned int flags)',
  cuDriverGetVersion: 'int cuDriverGetVersion(_Out_ int *version)',
  cuGetErrorName: 'int cuGetErrorName(int status, _Out_ const char **name)',
  cuGetErrorString: 'int cuGetErrorString(int status, _Out_ const char **text)',

  cuDeviceGetCount: 'int cuDeviceGetCount(_Out_ int *count)',
  cuDeviceGet: 'int cuDeviceGet(_Out_ int *device, int ordinal)',
  cuDeviceGetName: 'int cuDeviceGetName(void *name, int length, int device)',
  cuDeviceGetUuid_v2: 'int cuDeviceGetUuid_v2(void *uuid, int device)',
  cuDeviceTotalMem_v2: 'int cuDeviceTotalMem_v2(_Out_ size_t *bytes, int device)',
  cuDeviceGetAttribute: 'int cuDeviceGetAttribute(_Out_ int *value, int attribute, int device)',
  cuDeviceGetPCIBusId: 'int cuDeviceGetPCIBusId(void *text, int length, int device)',
  cuDeviceCanAccessPeer: 'int cuDeviceCanAccessPeer(_Out_ int *can, int device, int peer)',

  cuDevicePrimaryCtxRetain: 'int cuDevicePrimaryCtxRetain(_Out_ void **context, int device)',
  cuDevicePrimaryCtxRelease_v2: 'int cuDevicePrimaryCtxRelease_v2(int device)',
  cuCtxSetCurrent: 'int cuCtxSetCurrent(void *context)',
  cuCtxEnablePeerAccess: 'int cuCtxEnablePeerAccess(void *peerContext, unsigned int flags)',
  cuCtxSynchronize: 'int cuCtxSynchronize()',

  cuMemGetInfo_v2: 'int cuMemGetInfo_v2(_Out_ size_t *freeBytes, _Out_ size_t *totalBytes)',
  cuMemAlloc_v2: 'int cuMemAlloc_v2(_Out_ uint64_t *address, size_t bytes)',
  cuMemFree_v2: 'int cuMemFree_v2(uint64_t address)',
  cuMemHostAlloc: 'int cuMemHostAlloc(_Out_ uint64_t *address, size_t bytes, unsigned int flags)',
  cuMemFreeHost: 'int cuMemFreeHost(uint64_t address)',
  cuMemsetD8_v2: 'int cuMemsetD8_v2(uint64_t address, uint8_t value, size_t count)',

  cuMemcpyHtoD_v2: 'int cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes)',
  cuMemcpyDtoH_v2: 'int cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes)',
  cuMemcpyDtoD_v2: 'int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t bytes)',
  cuMemcpyHtoDAsync_v2: 'int cuMemcpyHtoDAsync_v2(uint64_t to, uint64_t fromHost, size_t bytes, void *stream)',
  cuMemcpyDtoDAsync_v2: 'int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, void *stream)',
  cuMemcpyPeer: 'int cuMemcpyPeer(uint64_t to, void *toContext, uint64_t from, void *fromContext, size_t bytes)',
  cuMemcpyPeerAsync: 'int cuMemcpyPeerAsync(uint64_t to, void *toContext, uint64_t from, void *fromContext, size_t bytes, void *stream)',

  cuStreamCreate: 'int cuStreamCreate(_Out_ void **stream, unsigned int flags)',
  cuStreamDestroy_v2: 'int cuStreamDestroy_v2(void *stream)',
  cuStreamWaitEvent: 'int cuStreamWaitEvent(void *stream, void *event, unsigned int flags)',
  cuStreamSynchronize: 'int cuStreamSynchronize(void *stream)',
  cuEventCreate: 'int cuEventCreate(_Out_ void **event, unsigned int flags)',
  cuEventRecord: 'int cuEventRecord(void *event, void *stream)',
  cuEventQuery: 'int cuEventQuery(void *event)',
  cuEventSynchronize: 'int cuEventSynchronize(void *event)',
  cuEventElapsedTime: 'int cuEventElapsedTime(_Out_ float *ms, void *start, void *end)',
  cuEventDestroy_v2: 'int cuEventDestroy_v2(void *event)',

  cuModuleLoadData: 'int cuModuleLoadData(_Out_ void **module, const void *image)',
  cuModuleUnload: 'int cuModuleUnload(void *module)',
  cuModuleGetFunction: 'int cuModuleGetFunction(_Out_ void **kernel, void *module, const char *name)',
  cuFuncSetAttribute: 'int cuFuncSetAttribute(void *kernel, int attribute, int value)',
  cuLaunchKernelEx: 'int cuLaunchKernelEx(const void *config, void *kernel, const void *arguments, void *extra)',

  cuStreamBeginCapture_v2: 'int cuStreamBeginCapture_v2(void *stream, int mode)',
  cuStreamEndCapture: 'int cuStreamEndCapture(void *stream, _Out_ void **graph)',
  cuGraphInstantiateWithFlags: 'int cuGraphInstantiateWithFlags(_Out_ void **executable, void *graph, uint64_t flags)',
  cuGraphLaunch: 'int cuGraphLaunch(void *executable, void *stream)',
  cuGraphExecDestroy: 'int cuGraphExecDestroy(void *executable)',
  cuProfilerStart: 'int cuProfilerStart()',
  cuProfilerStop: 'int cuProfilerStop()',

  cuGraphDestroy: 'int cuGraphDestroy(void *graph)',
} as const;

export type DriverFunction = keyof typeof driverFunctions;

/** Device attributes by their number in CUdevice_attribute. */
export const deviceAttributes = {
  multiprocessorCount: 16,
  computeCapabilityMajor: 75,
  computeCapabilityMinor: 76,
  memoryClockKhz: 36,
  memoryBusWidthBits: 37,
  l2CacheBytes: 38,
  /** With the opt-in of a kernel. */
  sharedBytesPerBlock: 97,
} as const;
