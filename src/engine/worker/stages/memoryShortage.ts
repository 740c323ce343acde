/** Out of memory on a GPU, said with what the driver counts there at that moment. */

import { GlmError, isGlmError } from '../../../common/errors';

export interface MemoryReading {
  readonly device: string;
  readonly freeBytes: number;
  readonly totalBytes: number;
  /** What the model takes there in all, what it has already included. */
  readonly neededBytes?: number;
}

const gibibytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;

/** `error` with the free and total bytes of each device when a device ran out of memory; any other error as it is. */
export function withMemoryReadings(error: unknown, read: () => readonly MemoryReading[]): unknown {
  if (!isGlmError(error) || error.code !== 'device-out-of-memory' || error.fields.devices !== undefined) {
    return error;
  }
  let readings: readonly MemoryReading[];
  try {
    readings = read();
  } catch {
    return error; // A lost device can't be asked; what is known is said.
  }
  const said = readings
    .map(({ device, freeBytes, totalBytes, neededBytes }) => `${device} has ${gibibytes(freeBytes)} of ${gibibytes(totalBytes)} free${neededBytes === undefined ? '' : `, the model takes ${gibibytes(neededBytes)} there in all`}`)
    .join('; ');
  return said === '' ? error : new GlmError(error.code, `${error.message} Now ${said}.`, { fields: { ...error.fields, devices: said }, next: error.next, cause: error });
}
