/** Scenario "others": this engine, then transformers and servers on the same machine, with the same prompt ids and lengths. */

import type { LoadOptions } from '../../common/protocol/engine';
import type { OtherEngine } from '../others/otherEngine';
import { loadFor, usualCases, type CasePlan, type LoadOutcome, type Scenario } from './scenario';

export function againstOthersScenario(base: LoadOptions, engines: readonly OtherEngine[], cases: readonly CasePlan[] = usualCases): Scenario {
  return {
    name: 'others',
    title: 'Against others',
    loads: [{ label: base.source, prefillFromTtft: true, load: loadFor(base, cases), cases: cases.map((each) => ({ ...each, name: `GLM Local, ${each.name}` })) }],
    others: { engines, cases },
    explain: (outcomes) => describeDifferences(outcomes, engines),
  };
}

function describeDifferences([ours]: readonly LoadOutcome[], engines: readonly OtherEngine[]): readonly string[] {
  const theirs = [...new Set(engines.flatMap((engine) => (engine.kind === 'transformers' && engine.dtype !== ours?.model.weights ? [engine.dtype] : [])))];
  return [
    ...(ours === undefined || theirs.length === 0 ? [] : [`The weights are not the same: ${ours.model.weights} here, ${theirs.join(', ')} in transformers. Speed and answers differ for that reason too.`]),
    'Our times end where a token leaves the engine; a server’s times also hold its HTTP answer, and a streamer’s in transformers one copy of the token to the host.',
  ];
}
