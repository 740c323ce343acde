/**
 * The GPUs that the Vulkan loader offers, which are those the WebGPU provider can meet on Linux. The provider itself does not tell what it
 * runs on, and a software rasteriser must not pass for a GPU.
 *
 * @see the Vulkan specification: VkPhysicalDeviceProperties, VkPhysicalDeviceMemoryProperties2, VK_EXT_memory_budget
 */

import koffi from 'koffi';
import { addressOf } from './nativeBytes';

export interface VulkanAdapter {
  readonly name: string;
  readonly kind: 'integrated' | 'discrete' | 'virtual' | 'software' | 'other';
  readonly vendorId: number;
  /** Whether shaders can compute with and load f16. */
  readonly hasF16: boolean;
  /** Bytes of the heaps that are local to the device. */
  readonly memoryBytes: number;
  /** Bytes of them that this process can still allocate, by the driver's own estimate; undefined when the driver makes none. */
  readonly freeBytes?: number;
}

const kinds: readonly VulkanAdapter['kind'][] = ['other', 'integrated', 'discrete', 'virtual', 'software'];

/** The adapter that the WebGPU provider would choose: the fastest kind first. Undefined without any, or without a Vulkan loader. */
export function preferredVulkanAdapter(adapters = listVulkanAdapters()): VulkanAdapter | undefined {
  const preference: readonly VulkanAdapter['kind'][] = ['discrete', 'integrated', 'virtual', 'other', 'software'];
  return [...(adapters ?? [])].sort((a, b) => preference.indexOf(a.kind) - preference.indexOf(b.kind))[0];
}

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
  const getFeatures = vulkan.func('vkGetPhysicalDeviceFeatures2', 'void', ['void *', 'void *']);
  const getMemory = vulkan.func('vkGetPhysicalDeviceMemoryProperties2', 'void', ['void *', 'void *']);

  // VkApplicationInfo (48 bytes): sType 0 and, at 44, API version 1.1, which has the ...2 functions.
  const application = new Uint32Array(12);
  application[11] = (1 << 22) | (1 << 12);
  // VkInstanceCreateInfo (64 bytes): sType 1 and, at 24, the application's address.
  const createInfo = new BigUint64Array(8);
  createInfo[0] = 1n;
  createInfo[3] = addressOf(application);
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
      // Larger than the structure; only its first fields are read.
      const properties = new Uint8Array(2048);
      getProperties(device, properties);
      return { ...readProperties(properties), hasF16: readF16(device, getFeatures), ...readMemory(device, getMemory) };
    });
  } finally {
    destroyInstance(instance[0], null);
  }
}

/** VkPhysicalDeviceProperties: apiVersion, driverVersion, vendorID, deviceID, deviceType (all u32), deviceName char[256], … */
function readProperties(bytes: Uint8Array): Pick<VulkanAdapter, 'name' | 'kind' | 'vendorId'> {
  const fields = new DataView(bytes.buffer);
  const nameBytes = bytes.subarray(20, 276);
  const end = nameBytes.indexOf(0);
  return { name: new TextDecoder().decode(nameBytes.subarray(0, end < 0 ? 256 : end)), kind: kinds[fields.getUint32(16, true)] ?? 'other', vendorId: fields.getUint32(8, true) };
}

/** VkPhysicalDeviceFeatures2 → VkPhysicalDeviceShaderFloat16Int8Features → VkPhysicalDevice16BitStorageFeatures: each u32 sType, pNext, then u32 flags. */
function readF16(device: bigint, getFeatures: (device: bigint, features: BigUint64Array) => void): boolean {
  const storage = new BigUint64Array(4);
  storage[0] = 1_000_083_000n;
  const arithmetic = new BigUint64Array(4);
  arithmetic[0] = 1_000_082_000n;
  arithmetic[1] = addressOf(storage);
  const features = new BigUint64Array(40);
  features[0] = 1_000_059_000n;
  features[1] = addressOf(arithmetic);
  getFeatures(device, features);
  const flagOf = (structure: BigUint64Array): boolean => new DataView(structure.buffer).getUint32(16, true) !== 0;
  return flagOf(arithmetic) && flagOf(storage);
}

/**
 * VkPhysicalDeviceMemoryProperties2: u32 sType, pNext, then u32 typeCount, 32 types of 8 bytes, u32 heapCount, 16 heaps of { u64 size, u32 flags, padding };
 * VkPhysicalDeviceMemoryBudgetPropertiesEXT: u32 sType, pNext, u64 heapBudget[16], u64 heapUsage[16], left at zero by drivers without the extension.
 */
function readMemory(device: bigint, getMemory: (device: bigint, properties: BigUint64Array) => void): Pick<VulkanAdapter, 'memoryBytes' | 'freeBytes'> {
  const budget = new BigUint64Array(34);
  budget[0] = 1_000_237_000n;
  const properties = new BigUint64Array(80);
  properties[0] = 1_000_059_006n;
  properties[1] = addressOf(budget);
  getMemory(device, properties);
  const fields = new DataView(properties.buffer);
  const heapsAt = 16 + 264;
  const heapCount = Math.min(16, fields.getUint32(heapsAt - 4, true));
  const local = Array.from({ length: heapCount }, (_, heap) => heap).filter((heap) => (fields.getUint32(heapsAt + heap * 16 + 8, true) & 1) !== 0);
  const sum = (of: (heap: number) => bigint): number => local.reduce((total, heap) => total + Number(of(heap)), 0);
  const budgetBytes = sum((heap) => budget[2 + heap] ?? 0n);
  return {
    memoryBytes: sum((heap) => fields.getBigUint64(heapsAt + heap * 16, true)),
    freeBytes: budgetBytes === 0 ? undefined : Math.max(0, budgetBytes - sum((heap) => budget[18 + heap] ?? 0n)),
  };
}
