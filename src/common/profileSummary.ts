/** A profile as it is shown: what steps and nodes come to, instead of the times of each, of which there can be millions. */

import type { OperatorProfile, Profile, ProfiledNode } from './profile';

export interface OperatorRow {
  /** An operator's type, or `layer 3`, `embedding`, `head`. */
  readonly label: string;
  readonly numNodes: number;
  /** Medians of the nodes, added up. */
  readonly ms: number;
  /** Of all nodes together. */
  readonly share: number;
  readonly bytes?: number;
  readonly flops?: number;
  /** Only where a node's time is the time that it took on its device. */
  readonly bytesPerSecond?: number;
  readonly flopsPerSecond?: number;
  /** Time that reading and writing these bytes would take at the bandwidth measured, over the time taken. */
  readonly bandwidthFraction?: number;
}

export interface NodeRow extends OperatorRow {
  readonly node: ProfiledNode;
}

export interface OperatorTable {
  readonly kind: OperatorProfile['kind'];
  readonly mode: OperatorProfile['mode'];
  readonly tokens: number;
  readonly contextTokens: number;
  readonly numSteps: number;
  /** `device time` only when the device was the clock and the nodes add up to the step within 10 %. */
  readonly clock: 'device time' | 'host time';
  /** In words, what the times are and are not. */
  readonly note: string;
  /** The plain step where it was measured, else the median of the timed ones. */
  readonly stepMs: number;
  readonly hasPlainStep: boolean;
  /** All nodes together. */
  readonly nodesMs: number;
  /** Longest first. */
  readonly byType: readonly OperatorRow[];
  /** Embedding, layers in their order, head. */
  readonly byLayer: readonly OperatorRow[];
  /** Longest first. */
  readonly byNode: readonly NodeRow[];
}

export interface Hint {
  readonly code: 'memory-bound' | 'device-waits' | 'head' | 'layers-on-cpu' | 'copies' | 'queue' | 'text-work' | 'unused-context' | 'prompt';
  readonly text: string;
}

export interface ProfileSummary extends Omit<Profile, 'operators' | 'bandwidth'> {
  readonly operators: readonly OperatorTable[];
  readonly hints: readonly Hint[];
}
