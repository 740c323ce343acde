/** Where memory is, and allocators over it. */

import { callForPointer, readText, readTexts, type OrtLibrary } from './ortLibrary';
import { Handle } from './handle';
import type { Session } from './session';

/** Memory names that the runtime knows without a plugin. */
export type MemoryName = 'Cpu' | 'Cuda' | 'CudaPinned' | 'WebGPU_Buf';

/** A kind of memory on one device. */
export class MemoryInfo extends Handle {
  constructor(
    readonly library: OrtLibrary,
    readonly name: MemoryName,
    readonly deviceIndex = 0,
    allocator: 'device' | 'arena' = 'device',
  ) {
    const defaultMemory = 0;
    super('A memory description', callForPointer(library, 'CreateMemoryInfo', name, allocator === 'device' ? 0 : 1, deviceIndex, defaultMemory), (info) =>
      library.call('ReleaseMemoryInfo', info),
    );
  }
}

/** A memory description that the runtime owns, in its own words: `Cpu`, `Cuda:1`, `WebGPU_Buf:0`. */
export function readMemoryName(library: OrtLibrary, info: bigint): string {
  const device = new Int32Array(1);
  library.call('MemoryInfoGetId', info, device);
  const name = readText(callForPointer(library, 'MemoryInfoGetName', info));
  return /^cpu$/i.test(name) ? name : `${name}:${device[0]}`;
}

/** What an allocator reports of itself, in bytes; a figure it does not keep is absent. */
export interface AllocatorStats {
  readonly inUseBytes?: number;
  readonly reservedBytes?: number;
  readonly peakBytes?: number;
}

/** A session's allocator for one kind of memory. Tensors from it must be released before it and before the session. */
export class Allocator extends Handle {
  readonly library: OrtLibrary;

  constructor(session: Session, info: MemoryInfo) {
    const { library } = session;
    super('An allocator', callForPointer(library, 'CreateAllocator', session.native, info.native), (allocator) => library.call('ReleaseAllocator', allocator));
    this.library = library;
  }

  /** Takes one block and gives it back at once: an arena keeps it for later. Pages that nobody touches cost nothing. */
  reserve(byteLength: number): void {
    const block = callForPointer(this.library, 'AllocatorAlloc', this.native, byteLength);
    this.library.call('AllocatorFree', this.native, block);
  }

  /** Undefined when the allocator keeps no figures. */
  stats(): AllocatorStats | undefined {
    if (!this.library.has('AllocatorGetStats')) {
      return undefined;
    }
    const pairs = callForPointer(this.library, 'AllocatorGetStats', this.native);
    try {
      const values = readPairs(this.library, pairs);
      const bytes = (key: string): number | undefined => (values.has(key) ? Number(values.get(key)) : undefined);
      return values.size === 0 ? undefined : { inUseBytes: bytes('InUse'), reservedBytes: bytes('TotalAllocated'), peakBytes: bytes('MaxInUse') };
    } finally {
      this.library.call('ReleaseKeyValuePairs', pairs);
    }
  }
}

/** A block of host memory from the runtime's default allocator: outside the JavaScript heap, aligned for its kernels, zero cost until touched. */
export class HostMemory extends Handle {
  constructor(
    library: OrtLibrary,
    readonly byteLength: number,
  ) {
    const allocator = callForPointer(library, 'GetAllocatorWithDefaultOptions');
    super('A block of host memory', callForPointer(library, 'AllocatorAlloc', allocator, byteLength), (block) => library.call('AllocatorFree', allocator, block));
  }
}

function readPairs(library: OrtLibrary, pairs: bigint): Map<string, string> {
  const keys = new BigUint64Array(1);
  const values = new BigUint64Array(1);
  const count = new BigUint64Array(1);
  library.call('GetKeyValuePairs', pairs, keys, values, count);
  const length = Number(count[0] ?? 0n);
  const texts = readTexts(values[0] ?? 0n, length);
  return new Map(readTexts(keys[0] ?? 0n, length).map((key, index) => [key, texts[index] ?? '']));
}
