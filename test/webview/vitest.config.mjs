import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// Browser tests of the chat view's bundle; they need a Chromium and run apart from the unit tests.
export default defineConfig({
  root: join(dirname(fileURLToPath(import.meta.url)), '../..'),
  test: {
    include: ['test/webview/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
