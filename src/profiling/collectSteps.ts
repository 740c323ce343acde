/** Puts the traces of profiled steps together: one list of nodes, and step-major times. */

import type { OperatorProfile, ProfileClock, ProfiledNode } from '../common/profile';
import { median } from './nodeTimes';
import type { RuntimeTrace } from './runtimeTrace';

/** One step: what each stage's runtime noted, in the order of the stages. */
export interface TracedStep {
  readonly startMs: number;
  readonly stages: readonly RuntimeTrace[];
}

export type CollectedSteps = Pick<OperatorProfile, 'nodes' | 'steps' | 'startsUs' | 'durationsUs'>;

/** Device times count as such only when the nodes' sum is that near to the step. */
export const mostDeviation = 0.1;

/**
 * A node is told from others by its stage, its name and how many of that name ran before it in the step.
 *
 * @param clock     `device` needs {@link hasDeviceTimes}.
 * @param describe  What is known of a node besides its times.
 */
export function collectSteps(traced: readonly TracedStep[], clock: ProfileClock, describe: (node: Pick<ProfiledNode, 'name' | 'opType' | 'provider'>, stageIndex: number) => ProfiledNode): CollectedSteps {
  const nodes: ProfiledNode[] = [];
  const indexOf = new Map<string, number>();
  const firstMs = traced[0]?.startMs ?? 0;
  const rows = traced.map(({ startMs, stages }) => {
    const row: { readonly node: number; readonly startUs: number; readonly durationUs: number }[] = [];
    const seen = new Map<string, number>();
    // Stages run one after the other; each trace counts from the start of its own run.
    let stageStartUs = (startMs - firstMs) * 1000;
    for (const [stageIndex, trace] of stages.entries()) {
      for (const traceNode of trace.nodes) {
        const { name, opType, provider } = traceNode;
        const { startUs, durationUs } = clock === 'device' ? (traceNode.device ?? { startUs: 0, durationUs: 0 }) : traceNode;
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

/** Whether every stage's runtime read its device's clock. */
export function hasDeviceTimes(traced: readonly TracedStep[]): boolean {
  return traced.length > 0 && traced.every(({ stages }) => stages.every(({ nodes }) => nodes.some(({ device }) => device !== undefined)));
}

/** Whether the nodes of the median step add up to `stepMs` as nearly as times of a device have to. */
export function addsUpTo(profile: Pick<OperatorProfile, 'nodes' | 'steps' | 'durationsUs'>, stepMs: number): boolean {
  return Math.abs(nodesMs(profile) - stepMs) <= mostDeviation * stepMs;
}

/** The nodes of the median step together. */
export function nodesMs({ nodes, steps, durationsUs }: Pick<OperatorProfile, 'nodes' | 'steps' | 'durationsUs'>): number {
  return median(steps.map((_, step) => sumOfStep(durationsUs, step, nodes.length) / 1000));
}

/** Microseconds that the nodes of a step took together. */
export function sumOfStep(durationsUs: readonly number[], step: number, numNodes: number): number {
  let sum = 0;
  for (let index = step * numNodes; index < (step + 1) * numNodes; index += 1) {
    sum += Math.max(0, durationsUs[index] ?? 0);
  }
  return sum;
}

function runUs({ runUs: noted, nodes }: RuntimeTrace): number {
  return noted ?? Math.max(0, ...nodes.map(({ startUs, durationUs }) => startUs + durationUs));
}
