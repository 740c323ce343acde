/** This process's memory as the system counts it. */

import { readFileSync } from 'node:fs';

/**
 * Most bytes that were ever resident.
 * Linux: VmHWM, which counts from this program's start; getrusage would go on counting from the process that forked it.
 */
export function peakResidentBytes(): number {
  return readStatusBytes('VmHWM') ?? process.resourceUsage().maxRSS * 1024;
}

/** Bytes in memory that no file backs; undefined where the system does not tell. */
export function anonymousResidentBytes(): number | undefined {
  return readStatusBytes('RssAnon');
}

function readStatusBytes(name: string): number | undefined {
  try {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}
