/** Vite plugin: CUDA C++ and Python sources are text to the program, as in tools/build.mjs. */
export const sourceAsText = {
  name: 'source-as-text',
  enforce: 'pre',
  transform: (code, id) => (/\.(?:cu|py)$/.test(id) ? { code: `export default ${JSON.stringify(code)};`, map: null } : undefined),
};
