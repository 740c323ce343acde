import { defineConfig } from 'vitest/config';
import { sourceAsText } from './tools/sourceAsText.mjs';

export default defineConfig({
  plugins: [sourceAsText],
  test: {
    include: ['test/unit/**/*.test.ts', 'test/golden/**/*.test.ts'],
    // Far above what any test takes alone: on a machine that builds other things meanwhile each may take twenty times as long.
    testTimeout: 60_000,
    setupFiles: ['test/unit/sizeCallStacks.ts'],
    // Starting a process and loading modules anew for each file took three quarters of the time; the tests share no state that they change.
    // Processes rather than threads, because some tests measure the memory of theirs.
    pool: 'forks',
    isolate: false,
    // By default one core is left free, which is half of a machine with two.
    maxWorkers: '100%',
  },
});
