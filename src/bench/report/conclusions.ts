/** What a report comes to, in sentences: how fast, whether its cases may be compared, and where to look for more speed. Pure. */

import { cacheFraction } from '../../common/bandwidthText';
import { verdictsOf } from '../verdict';
import type { BenchmarkCase, BenchmarkReport } from './schema';

/** From this share of the copy limit on, reading fewer bytes is what makes decoding faster. */
const memoryBoundFrom = 0.5;
const wideWeights: ReadonlySet<string> = new Set(['f32', 'bf16', 'f16', 'int8']);

export function conclusionsOf(report: BenchmarkReport): readonly string[] {
  const [first] = report.cases;
  // What a misplaced tensor costs is told by the alignment table.
  return first === undefined || report.alignment !== undefined ? [] : [speed(first), ...fairness(report), ...nextStep(report.cases)];
}

function speed({ name, summaries, rules }: BenchmarkCase): string {
  const { decodeTokensPerSecond: decode, ttftMs: ttft } = summaries;
  const doubt = decode?.isUnreliable === false && ttft?.isUnreliable === false ? '' : '; these figures are marked unreliable, the reason is above';
  return `${name}: ${figure(decode?.median)} tokens per second${rules.concurrency > 1 ? ' for each request' : ''}, the first after ${figure(ttft?.median)} ms${doubt}.`;
}

function fairness(report: BenchmarkReport): readonly string[] {
  const [first, ...others] = report.cases;
  if (first === undefined || others.length === 0) {
    return [];
  }
  const [, ...verdicts] = verdictsOf(report);
  const apart = others.filter((_, index) => verdicts[index]?.kind === 'not-comparable');
  const fair = others.length - apart.length;
  const inWords = fair === 0 ? 'No other case may be compared with it' : fair === others.length ? 'All other cases may be compared with it: same prompt, length, sampling and batch' : `${fair} of ${others.length} other cases may be compared with it`;
  return [`${inWords}${apart.length === 0 ? '' : '; the table names the rule for each of the rest'}.`];
}

/** Of the first case that has a limit and a speed to hold against it. */
function nextStep(cases: readonly BenchmarkCase[]): readonly string[] {
  const measured = cases.find((each) => each.bandwidth !== undefined && each.summaries.tpotMs?.isUnreliable === false);
  if (measured?.bandwidth === undefined) {
    return [];
  }
  if (measured.bandwidth.fractionOfLimit > cacheFraction) {
    return ["Decoding reads faster than copying within the device's memory does: a cache holds the weights, so that limit says nothing here."];
  }
  const share = `${(measured.bandwidth.fractionOfLimit * 100).toFixed(0)} % of what copying within the device's memory allows`;
  if (measured.bandwidth.fractionOfLimit < memoryBoundFrom) {
    return [`Decoding reaches ${share}, so memory is not what holds it up; "GLM: Profile a Generation" shows which operators take the time.`];
  }
  const fewerBytes = wideWeights.has(measured.weights) ? '; weights in fewer bits read less, and the scenario "Weight formats" measures what that gains and costs' : '';
  return [`Decoding reaches ${share}, so it is bound by memory${fewerBytes}.`];
}

const figure = (value: number | undefined): string => (value === undefined ? 'n/a' : value >= 100 ? value.toFixed(0) : value.toPrecision(3));
