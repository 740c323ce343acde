import { describe, expect, it } from 'vitest';
import { formatBytes } from '../../../../src/common/byteFormat';
import { formatContext, formatCount, formatDuration, formatPercent, formatShare, formatSpeed, formatUsedOfTotal } from '../../../../webview/common/numberFormat';

const gib = 1024 ** 3;

describe('number formats', () => {
  it('shorten counts', () => {
    expect([0, 873, 1000, 1234, 9960, 32_768, 999_499, 1_048_576].map(formatCount)).toEqual(['0', '873', '1k', '1.2k', '10k', '33k', '999k', '1.05M']);
  });

  it('write context lengths as their users say them', () => {
    expect([4096, 32_768, 131_072, 5000].map(formatContext)).toEqual(['4k', '32k', '128k', '5k']);
  });

  it('choose the unit of a duration', () => {
    expect([0, 0.031, 0.5, 3.25, 38.4, 999, 1400, 59_900, 61_000, 125_400].map(formatDuration)).toEqual(['0 ms', '0.031 ms', '0.5 ms', '3.3 ms', '38 ms', '999 ms', '1.4 s', '59.9 s', '1 min 1 s', '2 min 5 s']);
  });

  it('round speeds to what can be read', () => {
    expect([148.23, 9.44, 26].map(formatSpeed)).toEqual(['148 tok/s', '9.4 tok/s', '26 tok/s']);
  });

  it('write used and total in one unit', () => {
    expect(formatUsedOfTotal(21.4 * gib, 79.6 * gib, formatBytes)).toBe('21.4/79.6 GiB');
    expect(formatUsedOfTotal(0.3 * gib, 503 * gib, formatBytes)).toBe('0.3/503 GiB');
    expect(formatUsedOfTotal(undefined, 79.6 * gib, formatBytes)).toBe('n/a/79.6 GiB');
    expect(formatUsedOfTotal(2 * gib, undefined, formatBytes)).toBe('2.0 GiB');
  });

  it('never make a zero of a missing reading', () => {
    expect([formatCount(undefined), formatDuration(undefined), formatSpeed(undefined), formatPercent(undefined)]).toEqual(['n/a', 'n/a', 'n/a tok/s', 'n/a']);
  });

  it('tells little from nothing in shares', () => {
    expect([0, 0.0001, 0.0044, 0.0094, 0.0096, 0.634, 1].map(formatShare)).toEqual(['0 %', '< 0.1 %', '0.4 %', '0.9 %', '1 %', '63 %', '100 %']);
  });
});
