/** Puts the traces of profiled steps together: one list of nodes, and step-major times. */

import type { OperatorProfile, ProfiledNode } from '../common/profile';
import type { RuntimeTrace } from './runtimeTrace';

/** One step: what each stage's runtime noted, in the order of the stages. */
export interface TracedStep {
  readonly startMs: number;
  readonly stages: readonly RuntimeTrace[];
}

export type CollectedSteps = Pick<OperatorProfile, 'nodes' | 'steps' | 'startsUs' | 'durationsUs'>;

/**
 * A node is told from others by its stage, its name and how many of that name ran before it in the step.
 *
 * @param describe  What is known of a node besides its times.
 */
export function collectSteps(traced: readonly TracedStep[], describe: (node: Pick<ProfiledNode, 'name' | 'opType' | 'provider'>, stageIndex: number) => ProfiledNode): CollectedSteps {
  const nodes: ProfiledNode[] = [];
  const indexOf = new Map<string, number>();
  const firstMs = traced[0]?.startMs ?? 0;
  const rows = traced.map(({ startMs, stages }) => {
    const row: { readonly node: number; readonly startUs: number; readonly durationUs: number }[] = [];
    const seen = new Map<string, number>();
    // Stages run one after the other; each trace counts from the start of its own run.
    let stageStartUs = (startMs - firstMs) * 1000;
    for (const [stageIndex, trace] of stages.entries()) {
      for (const { name, opType, provider, startUs, durationUs } of trace.nodes) {
        const place = `${stageIndex} ${name}`;
        const nth = seen.get(place) ?? 0;
        seen.set(place, nth + 1);
        const key = `${place} ${nth}`;
        let node = indexOf.get(key);
        if (node === undefined) {
          node = nodes.length;
          indexOf.set(key, node);
          nodes.push(describe({ name, opType, provider }, stageIndex));
        }
        row.push({ node, startUs: stageStartUs + startUs, durationUs });
      }
      stageStartUs += runUs(trace);
    }
    return row;
  });
  const startsUs = new Array<number>(traced.length * nodes.length).fill(-1);
  const durationsUs = new Array<number>(traced.length * nodes.length).fill(-1);
  rows.forEach((row, step) =>
    row.forEach(({ node, startUs, durationUs }) => {
      startsUs[step * nodes.length + node] = startUs;
      durationsUs[step * nodes.length + node] = durationUs;
    }),
  );
  const steps = traced.map(({ startMs, stages }) => ({ startMs: startMs - firstMs, durationMs: stages.reduce((sum, trace) => sum + runUs(trace), 0) / 1000 }));
  return { nodes, steps, startsUs, durationsUs };
}

function runUs({ runUs: noted, nodes }: RuntimeTrace): number {
  return noted ?? Math.max(0, ...nodes.map(({ startUs, durationUs }) => startUs + durationUs));
}
