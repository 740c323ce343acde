/** Files that the bundler turns into strings: fonts into data URLs. */
declare module '*.ttf' {
  const address: string;
  export default address;
}
