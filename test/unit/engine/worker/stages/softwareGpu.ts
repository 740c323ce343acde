/** A second device on machines without a GPU: chromium's software rasteriser, which the WebGPU provider accepts when asked. */

import { existsSync } from 'node:fs';

/** Makes Vulkan find SwiftShader when nothing else was chosen. Must run before the runtime's first WebGPU session in this process. */
export function findSoftwareGpu(): { readonly isThere: boolean; readonly reason: string } {
  const icd = ['/usr/lib/chromium/vk_swiftshader_icd.json', '/usr/lib64/chromium-browser/vk_swiftshader_icd.json'].find((path) => existsSync(path));
  if (process.env.VK_ICD_FILENAMES !== undefined) {
    return { isThere: true, reason: '' };
  }
  if (process.platform !== 'linux' || icd === undefined) {
    return { isThere: false, reason: 'skipped: there is no second device here (Debian\'s chromium package brings one in software)' };
  }
  process.env.VK_ICD_FILENAMES = icd;
  return { isThere: true, reason: '' };
}
