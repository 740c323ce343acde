import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Browser tests of the chat view's bundle; they need a Chromium and run apart from the unit tests.
export default defineConfig({
  root: join(dirname(fileURLToPath(import.meta.url)), '../..'),
  test: {
    include: ['test/webview/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
    // One second, the default, is shorter than what a busy machine needs for a frame or two.
    expect: { poll: { timeout: 15_000, interval: 50 } },
  },
});
