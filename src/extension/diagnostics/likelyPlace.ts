/** Which of several findings a printed message most likely speaks of. Pure. */

export interface CandidatePlace {
  /** Of the file or the notebook. */
  readonly path: string;
  /** 0-based. */
  readonly line: number;
  /** Position of its rule among those of the message, the likeliest first. */
  readonly ruleIndex: number;
  readonly isActive: boolean;
  readonly isOpen: boolean;
}

/** A traceback's `File "…", line 3`; the innermost comes last. */
const frame = /File "([^"\n]+)", line (\d+)/g;

/** A file that the traceback names, else the one in front, else an open one; among equals the likeliest rule, then the line nearest to the traceback's. */
export function likelyPlace<T extends CandidatePlace>(candidates: readonly T[], printed: string): T | undefined {
  const frames = [...printed.matchAll(frame)].map(([, path = '', line]) => ({ path: path.replaceAll('\\', '/').replace(/^\.\//, ''), line: Number(line) - 1 })).reverse();
  const scored = candidates.map((candidate) => {
    const path = candidate.path.replaceAll('\\', '/');
    const index = frames.findIndex((own) => path === own.path || path.endsWith(`/${own.path}`));
    const distance = Math.abs(candidate.line - (frames[index]?.line ?? candidate.line));
    return { candidate, score: [index < 0 ? frames.length : index, candidate.isActive ? 0 : 1, candidate.isOpen ? 0 : 1, candidate.ruleIndex, distance] };
  });
  scored.sort((a, b) => a.score.map((value, at) => value - (b.score[at] ?? 0)).find((difference) => difference !== 0) ?? 0);
  return scored[0]?.candidate;
}
