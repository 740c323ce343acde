/** Copying between JavaScript arrays and native memory by address; never by a view over foreign memory, which Electron forbids. */

import koffi from 'koffi';

/** The address of a typed array's first byte. Valid as long as the array is reachable. */
export function addressOf(array: ArrayBufferView): bigint {
  // V8 keeps small typed arrays inside its moving heap until their buffer is asked for; from then on their bytes stay where they are.
  void array.buffer;
  return koffi.address(array);
}

let handle: ReturnType<typeof koffi.load> | undefined;

const memcpy = (): ((to: bigint, from: bigint, byteLength: number) => void) => {
  // Held for good: koffi unloads a library whose handle is collected.
  const library = (handle ??= koffi.load(process.platform === 'win32' ? 'msvcrt.dll' : process.platform === 'darwin' ? '/usr/lib/libSystem.B.dylib' : null));
  return library.func('memcpy', 'void *', ['uintptr_t', 'uintptr_t', 'size_t']) as (to: bigint, from: bigint, byteLength: number) => void;
};
let loadedMemcpy: ReturnType<typeof memcpy> | undefined;

/** Copies `into.byteLength` bytes from native memory. */
export function copyFromAddress(into: ArrayBufferView, from: bigint): void {
  loadedMemcpy ??= memcpy();
  loadedMemcpy(addressOf(into), from, into.byteLength);
}

/** Copies all of `bytes` to native memory. */
export function copyToAddress(to: bigint, bytes: ArrayBufferView): void {
  loadedMemcpy ??= memcpy();
  loadedMemcpy(to, addressOf(bytes), bytes.byteLength);
}
