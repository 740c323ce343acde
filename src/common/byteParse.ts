/** Reads sizes as people write them: `20GiB`, `512 MB`, `1.5g`, a plain number of bytes. The other way round: byteFormat.ts. */

const factors: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  kb: 1000,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  mb: 1000 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  gb: 1000 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
  tb: 1000 ** 4,
};

/** Whole bytes, or undefined when `value` is no size. As in accelerate, `GB` counts in thousands and `GiB` in 1,024. */
export function tryParseBytes(value: string | number): number | undefined {
  if (typeof value === 'number') {
    return Number.isFinite(value) && value >= 0 ? Math.floor(value) : undefined;
  }
  const match = /^\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*$/i.exec(value);
  const factor = factors[match?.[2]?.toLowerCase() ?? 'none'];
  return match === null || factor === undefined ? undefined : Math.floor(Number(match[1]) * factor);
}
