/** How numbers read in the views. What could not be measured is "n/a", never 0. */

const missing = 'n/a';

/** `873`, `1.2k`, `32k`, `1.05M`: token counts in tight places. */
export function formatCount(count: number | undefined): string {
  if (count === undefined) {
    return missing;
  }
  if (count < 1000) {
    return String(count);
  }
  if (count < 999_500) {
    const thousands = count / 1000;
    return `${trimZero(thousands.toFixed(thousands < 9.95 ? 1 : 0))}k`;
  }
  return `${trimZero((count / 1_000_000).toFixed(2))}M`;
}

/** `32k` for 32,768 and `128k` for 131,072: context lengths are powers of two to their users; other values as {@link formatCount}. */
export function formatContext(tokens: number): string {
  return tokens >= 1024 && tokens % 1024 === 0 ? `${tokens / 1024}k` : formatCount(tokens);
}

/** `0.031 ms`, `38 ms`, `1.4 s`, `2 min 5 s`. */
export function formatDuration(ms: number | undefined): string {
  if (ms === undefined) {
    return missing;
  }
  if (ms > 0 && ms < 0.95) {
    return `${Number(ms.toPrecision(2))} ms`;
  }
  if (ms < 999.5) {
    return `${ms < 9.95 ? trimZero(ms.toFixed(1)) : ms.toFixed(0)} ms`;
  }
  const seconds = ms / 1000;
  if (seconds < 59.95) {
    return `${trimZero(seconds.toFixed(1))} s`;
  }
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** `148 tok/s`, `9.4 tok/s`. */
export function formatSpeed(tokensPerSecond: number | undefined): string {
  return tokensPerSecond === undefined ? `${missing} tok/s` : `${tokensPerSecond < 99.5 ? trimZero(tokensPerSecond.toFixed(1)) : tokensPerSecond.toFixed(0)} tok/s`;
}

/** `63 %`, `0.4 %`: what is little is not nothing. */
export function formatShare(fraction: number): string {
  return fraction > 0 && fraction < 0.0095 ? `${fraction < 0.0005 ? '< 0.1' : (fraction * 100).toFixed(1)} %` : `${Math.round(fraction * 100)} %`;
}

/** `63 %` */
export function formatPercent(percent: number | undefined): string {
  return percent === undefined ? missing : `${Math.round(percent)} %`;
}

/** `21.4/79.6 GiB`: both in the unit of the second, written once. */
export function formatUsedOfTotal(usedBytes: number | undefined, totalBytes: number | undefined, format: (bytes: number | undefined) => string): string {
  if (totalBytes === undefined) {
    return format(usedBytes);
  }
  const total = format(totalBytes);
  if (usedBytes === undefined) {
    return `${missing}/${total}`;
  }
  const unit = total.slice(total.indexOf(' ') + 1);
  const power = ['B', 'KiB', 'MiB', 'GiB', 'TiB'].indexOf(unit);
  const used = usedBytes / 1024 ** power;
  return `${power === 0 || used >= 100 ? used.toFixed(0) : used.toFixed(1)}/${total}`;
}

function trimZero(text: string): string {
  return text.replace(/\.0+$/, '');
}
