import { defineConfig } from 'vitest/config';

/** CUDA C++ sources are text to the program, as in tools/build.mjs. */
const cudaSourceAsText = {
  name: 'cuda-source-as-text',
  enforce: 'pre' as const,
  transform: (code: string, id: string) => (id.endsWith('.cu') ? { code: `export default ${JSON.stringify(code)};`, map: null } : undefined),
};

export default defineConfig({
  plugins: [cudaSourceAsText],
  test: {
    include: ['test/unit/**/*.test.ts', 'test/golden/**/*.test.ts'],
    testTimeout: 20_000,
    pool: 'forks',
  },
});
