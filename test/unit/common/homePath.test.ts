import { describe, expect, it } from 'vitest';
import { expandHome } from '../../../src/common/homePath';

describe('expandHome', () => {
  it.each([
    ['~', '/home/ada'],
    ['~/cache', '/home/ada/cache'],
    ['~\\cache', '/home/ada\\cache'],
    ['~bob/cache', '~bob/cache'],
    ['/tmp/~', '/tmp/~'],
    ['', ''],
  ])('reads %j as %j', (path, expected) => {
    expect(expandHome(path, '/home/ada')).toBe(expected);
  });

  it('leaves a path as it is where nobody knows a home', () => {
    expect(expandHome('~/cache', undefined)).toBe('~/cache');
  });
});
