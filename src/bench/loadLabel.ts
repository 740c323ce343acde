/** How a load is called where a user reads it. */

import { basename, isAbsolute } from 'node:path';

/** A folder by its own name, since the path says little and takes a whole line; anything else as it is. */
export function readableLabel(label: string): string {
  return isAbsolute(label) ? basename(label) || label : label;
}
