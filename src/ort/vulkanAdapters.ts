/**
 * The GPUs that the Vulkan loader offers, which are those the WebGPU provider can meet on Linux. The provider itself does not tell what it
 * runs on, and a software rasteriser must not pass for a GPU.
 *
 * @see the Vulkan specification, VkPhysicalDeviceProperties and VkPhysicalDeviceMemoryProperties
 */

import koffi from 'koffi';

export interface VulkanAdapter {
  readonly name: string;
  readonly kind: 'integrated' | 'discrete' | 'virtual' | 'software' | 'other';
  readonly vendorId: number;
  /** Bytes of the heaps on the device; undefined when it has none of its own. */
  readonly memoryBytes?: number;
}

const kinds: readonly VulkanAdapter['kind'][] = ['other', 'integrated', 'discrete', 'virtual', 'software'];

/** Every adapter, in the loader's order; undefined when there is no Vulkan loader on this system. */
export function listVulkanAdapters(): VulkanAdapter[] | undefined {
  let vulkan: ReturnType<typeof koffi.load>;
  try {
    vulkan = koffi.load(process.platform === 'win32' ? 'vulkan-1.dll' : 'libvulkan.so.1');
  } catch {
    return undefined;
  }
  const createInstance = vulkan.func('vkCreateInstance', 'int', ['void *', 'void *', 'void *']);
  const destroyInstance = vulkan.func('vkDestroyInstance', 'void', ['void *', 'void *']);
  const enumerateDevices = vulkan.func('vkEnumeratePhysicalDevices', 'int', ['void *', 'void *', 'void *']);
  const getProperties = vulkan.func('vkGetPhysicalDeviceProperties', 'void', ['void *', 'void *']);
  const getMemory = vulkan.func('vkGetPhysicalDeviceMemoryProperties', 'void', ['void *', 'void *']);

  // VkInstanceCreateInfo: sType 1, and nothing else asked for; 64 bytes on every 64-bit platform.
  const createInfo = new Uint32Array(16);
  createInfo[0] = 1;
  const instance = new BigUint64Array(1);
  if (createInstance(createInfo, null, instance) !== 0) {
    return [];
  }
  try {
    const count = new Uint32Array(1);
    if (enumerateDevices(instance[0], count, null) !== 0 || count[0] === 0) {
      return [];
    }
    const devices = new BigUint64Array(count[0] ?? 0);
    enumerateDevices(instance[0], count, devices);
    return [...devices].map((device) => {
      // Both structures are smaller than this; only their first fields are read.
      const properties = new Uint8Array(2048);
      const memory = new Uint8Array(2048);
      getProperties(device, properties);
      getMemory(device, memory);
      return { ...readProperties(properties), memoryBytes: readDeviceMemory(memory) };
    });
  } finally {
    destroyInstance(instance[0], null);
  }
}

/** VkPhysicalDeviceProperties: apiVersion, driverVersion, vendorID, deviceID, deviceType (all u32), deviceName char[256], … */
function readProperties(bytes: Uint8Array): Omit<VulkanAdapter, 'memoryBytes'> {
  const fields = new DataView(bytes.buffer);
  const nameBytes = bytes.subarray(20, 276);
  const end = nameBytes.indexOf(0);
  return { name: new TextDecoder().decode(nameBytes.subarray(0, end < 0 ? 256 : end)), kind: kinds[fields.getUint32(16, true)] ?? 'other', vendorId: fields.getUint32(8, true) };
}

/** VkPhysicalDeviceMemoryProperties: u32 typeCount, 32 types of 8 bytes, u32 heapCount, 16 heaps of { u64 size, u32 flags, padding }. */
function readDeviceMemory(bytes: Uint8Array): number | undefined {
  const fields = new DataView(bytes.buffer);
  const heapCount = Math.min(16, fields.getUint32(260, true));
  const deviceLocal = 1;
  let sum = 0;
  for (let heap = 0; heap < heapCount; heap += 1) {
    const at = 264 + heap * 16;
    if ((fields.getUint32(at + 8, true) & deviceLocal) !== 0) {
      sum += Number(fields.getBigUint64(at, true));
    }
  }
  return sum === 0 ? undefined : sum;
}
