/** What the placement map shows of a profile. Pure. */

import type { PlacedPart, PlacementMap } from '../../src/common/profile';
import type { OperatorTable } from '../../src/common/profileSummary';
import { partOfNode } from '../../src/profiling/partTimes';

export interface PlacedStage {
  readonly stageIndex: number;
  readonly device: string;
  /** `embedding, layers 0 to 19`. */
  readonly extent: string;
  readonly parts: readonly PlacedPart[];
  readonly weightBytes: number;
  readonly kvBytesPerPosition: number;
  /** Undefined until every part has a time. */
  readonly decodeMs?: number;
}

export interface PartNode {
  readonly name: string;
  readonly opType: string;
  readonly provider: string;
  readonly decodeMs?: number;
  readonly bytes?: number;
}

export function stagesOf({ parts }: PlacementMap): readonly PlacedStage[] {
  const byStage = new Map<number, PlacedPart[]>();
  for (const part of parts) {
    byStage.set(part.stageIndex, [...(byStage.get(part.stageIndex) ?? []), part]);
  }
  return [...byStage].sort(([a], [b]) => a - b).map(([stageIndex, own]) => {
    const sumOf = (of: (part: PlacedPart) => number): number => own.reduce((sum, part) => sum + of(part), 0);
    return {
      stageIndex,
      device: own[0]?.device ?? '',
      extent: extentOf(own),
      parts: own,
      weightBytes: sumOf((part) => part.weightBytes),
      kvBytesPerPosition: sumOf((part) => part.kvBytesPerPosition),
      ...(own.every(({ decodeMs }) => decodeMs !== undefined) ? { decodeMs: sumOf(({ decodeMs = 0 }) => decodeMs) } : {}),
    };
  });
}

function extentOf(parts: readonly PlacedPart[]): string {
  const layers = parts.flatMap(({ layer }) => layer ?? []);
  const [first, last] = [Math.min(...layers), Math.max(...layers)];
  const run = layers.length === 0 ? [] : [first === last ? `layer ${first}` : `layers ${first} to ${last}`];
  const has = (part: PlacedPart['part']): string[] => (parts.some((each) => each.part === part) ? [part] : []);
  return [...has('embedding'), ...run, ...has('head')].join(', ');
}

/** Timed nodes where decode steps were profiled, else what the runtime told after loading. */
export function nodesOfPart(part: PlacedPart, placement: PlacementMap, operators: readonly OperatorTable[]): readonly PartNode[] {
  const isOwn = (node: { readonly name: string; readonly layer?: number; readonly stageIndex: number }): boolean => {
    const place = partOfNode(node);
    return node.stageIndex === part.stageIndex && place.part === part.part && place.layer === part.layer;
  };
  const decode = operators.find(({ kind }) => kind === 'decode');
  if (decode === undefined) {
    return placement.nodes.filter(isOwn);
  }
  return decode.byNode
    .filter(({ node }) => isOwn(node))
    .map(({ node, ms }) => ({ name: node.name, opType: node.opType, provider: node.provider, decodeMs: ms, bytes: node.bytes }));
}
