/** Whether the system's loader finds a library, with its own words when it does not. */

import koffi from 'koffi';

/** @param name  As the loader knows it, such as `libcudnn.so.9`, or a path. @returns undefined when it loads; it is released again. */
export function whyNotLoadable(name: string): string | undefined {
  try {
    koffi.load(name).unload();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
