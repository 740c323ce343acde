// Chromium's software Vulkan driver (SwiftShader), on which the WebGPU provider is tested where there is no GPU.
import { existsSync } from 'node:fs';

const drivers = ['/usr/lib/chromium/vk_swiftshader_icd.json', '/usr/lib64/chromium-browser/vk_swiftshader_icd.json'];
const loaders = ['/usr/lib/x86_64-linux-gnu/libvulkan.so.1', '/usr/lib/aarch64-linux-gnu/libvulkan.so.1', '/usr/lib64/libvulkan.so.1', '/usr/lib/libvulkan.so.1'];

export const missingSoftwareVulkan = "The WebGPU tests need a Vulkan loader and driver: install Debian's chromium and libvulkan1, or set VK_ICD_FILENAMES.";

/** The driver's description file, or undefined where there is none or no loader for it. */
export function findSoftwareVulkan() {
  return loaders.some((path) => existsSync(path)) ? (process.env.VK_ICD_FILENAMES ?? drivers.find((path) => existsSync(path))) : undefined;
}
