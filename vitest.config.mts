import { defineConfig } from 'vitest/config';
import { sourceAsText } from './tools/sourceAsText.mjs';

export default defineConfig({
  plugins: [sourceAsText],
  test: {
    include: ['test/unit/**/*.test.ts', 'test/golden/**/*.test.ts'],
    testTimeout: 20_000,
    // Starting a process and loading modules anew for each file took three quarters of the time; the tests share no state that they change.
    pool: 'threads',
    isolate: false,
  },
});
