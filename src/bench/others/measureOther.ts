import type { OtherEngine, OtherOutcome, OtherRun } from './otherEngine';
import { measureServer } from './serverPeer';
import { measureTransformers } from './transformersPeer';

/** Measures one engine of others. Failures become notes. @throws {CancelledError} when nothing was measured before a cancel. */
export function measureOther(engine: OtherEngine, run: OtherRun): Promise<OtherOutcome> {
  return engine.kind === 'transformers' ? measureTransformers(engine, run) : measureServer(engine, run);
}
