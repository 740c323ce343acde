import { describe, expect, it } from 'vitest';
import { likelyPlace, type CandidatePlace } from '../../../../src/extension/diagnostics/likelyPlace';

const place = (path: string, rest: Partial<CandidatePlace> = {}): CandidatePlace => ({ path, line: 3, ruleIndex: 0, isActive: false, isOpen: false, ...rest });
const traceback = 'Traceback (most recent call last):\n  File "run.py", line 12, in <module>\n    ask(model)\n  File "/home/me/project/src/ask.py", line 40, in ask\n  File "/usr/lib/python3/site-packages/torch/nn/functional.py", line 2000, in embedding\nRuntimeError: …';

describe('likelyPlace', () => {
  it('prefers the file nearest to the error in the traceback, whatever is open', () => {
    const candidates = [place('/home/me/project/open.py', { isActive: true, isOpen: true }), place('/home/me/project/run.py'), place('/home/me/project/src/ask.py', { ruleIndex: 4 })];
    expect(likelyPlace(candidates, traceback)?.path).toBe('/home/me/project/src/ask.py');
    expect(likelyPlace(candidates.slice(0, 2), traceback)?.path).toBe('/home/me/project/run.py');
  });

  it('takes no file whose name merely ends alike', () => {
    expect(likelyPlace([place('/w/other_run.py'), place('/w/a.py', { isOpen: true })], traceback)?.path).toBe('/w/a.py');
  });

  it('takes the file in front, then an open one, then the likeliest rule', () => {
    const all = [place('/w/a.py'), place('/w/b.py', { isOpen: true, ruleIndex: 2 }), place('/w/c.py', { isOpen: true, ruleIndex: 1 }), place('/w/d.py', { isOpen: true, isActive: true, ruleIndex: 3 })];
    expect(likelyPlace(all, 'RuntimeError')?.path).toBe('/w/d.py');
    expect(likelyPlace(all.slice(0, 3), 'RuntimeError')?.path).toBe('/w/c.py');
    expect(likelyPlace([], 'RuntimeError')).toBeUndefined();
  });

  it('takes the line nearest to the one that failed', () => {
    expect(likelyPlace([place('/w/run.py', { line: 90 }), place('/w/run.py', { line: 9 }), place('/w/run.py', { line: 0 })], traceback)?.line).toBe(9);
  });

  it('knows Windows paths', () => {
    expect(likelyPlace([place('/c:/w/a.py', { isActive: true }), place('/c:/w/sub/b.py')], '  File "sub\\b.py", line 1, in <module>')?.path).toBe('/c:/w/sub/b.py');
  });
});
