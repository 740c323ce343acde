/** CUDA C++ sources are bundled as text. */
declare module '*.cu' {
  const source: string;
  export default source;
}
