// The layer diagram of docs/architecture.md as lint rules: change both together.
import boundaries from 'eslint-plugin-boundaries';
import tseslint from 'typescript-eslint';

/** folder → folders it may import besides itself. */
const mayImport = {
  common: [],
  onnx: ['common'],
  model: ['common', 'onnx'],
  tokenizer: ['common'],
  generation: ['common', 'tokenizer'],
  plan: ['common'],
  alignment: ['common'],
  diagnostics: ['common'],
  profiling: ['common'],
  ort: ['common'],
  cuda: ['common'],
  // Finding and downloading CUDA's libraries: files and network only, no native calls, so that front ends may use it.
  cudaSetup: ['common'],
  checkpoint: ['common'],
  probe: ['common'],
  telemetry: ['common', 'probe'],
  monitor: ['common', 'probe', 'telemetry'],
  worker: ['common', 'onnx', 'model', 'tokenizer', 'generation', 'plan', 'alignment', 'ort', 'cuda', 'cudaSetup', 'checkpoint', 'probe', 'profiling'],
  client: ['common'],
  bench: ['common', 'client', 'plan', 'profiling'],
  server: ['common', 'client'],
  cli: ['common', 'client', 'bench', 'server', 'plan', 'alignment', 'diagnostics', 'model', 'checkpoint', 'tokenizer', 'cudaSetup', 'profiling'],
  extension: ['common', 'client', 'bench', 'plan', 'diagnostics', 'server', 'cudaSetup', 'profiling'],
  webview: ['common', 'profiling'],
};

const pure = ['onnx', 'model', 'tokenizer', 'generation', 'devices/plan', 'alignment', 'diagnostics', 'profiling', 'common'];
const noVscode = { name: 'vscode', message: "Only src/extension may import 'vscode'." };
const noKoffi = { name: 'koffi', message: 'koffi belongs to src/ort, src/cuda and src/devices.' };
const noNode = { regex: '^node:', message: 'This folder is pure: no files, processes or clock.' };
const noTests = { regex: '(^|/)test/', message: 'Product code does not import tests.' };

export default tseslint.config(
  { ignores: ['dist/', 'node_modules/', 'test/fixtures/', '**/*.generated.ts', 'tools/**/*.py', 'test/e2e/out/'] },
  {
    files: ['src/**/*.ts', 'webview/**/*.ts', 'test/**/*.ts', 'tools/**/*.{ts,mjs}'],
    extends: [...tseslint.configs.recommended, ...tseslint.configs.stylistic],
    languageOptions: { parserOptions: { tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**/*.ts', 'webview/**/*.ts'],
    plugins: { boundaries },
    settings: {
      'import/resolver': { typescript: { project: 'tsconfig.json' } },
      'boundaries/include': ['src/**/*', 'webview/**/*'],
      'boundaries/elements': [
        { type: 'client', pattern: 'src/engine/client/**', partialMatch: false },
        { type: 'worker', pattern: 'src/engine/worker/**', partialMatch: false },
        { type: 'probe', pattern: 'src/devices/probe/**', partialMatch: false },
        { type: 'telemetry', pattern: 'src/devices/telemetry/**', partialMatch: false },
        { type: 'plan', pattern: 'src/devices/plan/**', partialMatch: false },
        { type: 'cudaSetup', pattern: 'src/cuda/setup/**', partialMatch: false },
        ...['common', 'onnx', 'model', 'tokenizer', 'generation', 'alignment', 'diagnostics', 'profiling', 'ort', 'cuda', 'checkpoint', 'monitor', 'bench', 'server', 'cli', 'extension'].map((type) => ({
          type,
          pattern: `src/${type}/**`,
          partialMatch: false,
        })),
        { type: 'webview', pattern: 'webview/**', partialMatch: false },
      ],
    },
    rules: {
      'no-console': 'error',
      'boundaries/no-unknown-files': 'error',
      'boundaries/dependencies': [
        'error',
        {
          default: 'disallow',
          policies: Object.entries(mayImport).map(([from, allow]) => ({
            from: { element: { type: from } },
            allow: { to: { element: { type: [from, ...allow] } } },
          })),
        },
      ],
      'no-restricted-imports': ['error', { paths: [noVscode, noKoffi], patterns: [noTests] }],
      'no-restricted-syntax': ['error', { selector: "MemberExpression[object.name='koffi'][property.name='view']", message: 'Electron forbids external ArrayBuffers: copy through an address instead.' }],
    },
  },
  { files: pure.map((folder) => `src/${folder}/**/*.ts`), rules: { 'no-restricted-imports': ['error', { paths: [noVscode, noKoffi], patterns: [noTests, noNode] }] } },
  { files: ['src/ort/**/*.ts', 'src/cuda/**/*.ts', 'src/devices/{probe,telemetry}/**/*.ts'], rules: { 'no-restricted-imports': ['error', { paths: [noVscode], patterns: [noTests] }] } },
  { files: ['src/cuda/setup/**/*.ts'], rules: { 'no-restricted-imports': ['error', { paths: [noVscode, noKoffi], patterns: [noTests] }] } },
  { files: ['src/extension/**/*.ts'], rules: { 'no-restricted-imports': ['error', { paths: [noKoffi], patterns: [noTests] }] } },
  // Scripts outside the TypeScript project; no rule here needs their types.
  { files: ['tools/**/*.mjs'], languageOptions: { parserOptions: { projectService: false } } },
  { files: ['webview/**/*.ts'], rules: { 'no-restricted-imports': ['error', { paths: [noVscode, noKoffi], patterns: [noTests, noNode] }] } },
);
