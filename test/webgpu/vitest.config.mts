// The WebGPU provider on a software rasteriser: `GLM_TEST_WEBGPU=1 npx vitest run --config test/webgpu/vitest.config.mts`. Compiling shaders in software takes a minute.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { sourceAsText } from '../../tools/sourceAsText.mjs';
import { findSoftwareVulkan } from '../../tools/softwareVulkan.mjs';

const driver = findSoftwareVulkan();

export default defineConfig({
  plugins: [sourceAsText],
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['test/webgpu/**/*.test.ts'],
    testTimeout: 300_000,
    pool: 'forks',
    // The Vulkan loader reads the process's own environment, which a thread's copy is not.
    env: driver === undefined ? {} : { VK_ICD_FILENAMES: driver },
  },
});
