/** An engine for the time of one command: started, loaded with progress on the terminal, always ended. */

import { formatBytes } from '../common/byteFormat';
import type { LoadedModel, LoadOptions, LoadProgress } from '../common/protocol/engine';
import type { EngineClient } from '../engine/client/startEngine';
import type { Invocation } from './command';

/** Runs `work` with an engine process that has no model loaded. */
export async function withEngine<T>(invocation: Invocation, work: (engine: EngineClient) => Promise<T>): Promise<T> {
  const engine = invocation.context.startEngine(invocation.log);
  try {
    return await work(engine);
  } finally {
    await engine.end();
  }
}

/** Runs `work` with a loaded model. Warnings of the plan and alignment messages go to stderr. */
export function withModel<T>(invocation: Invocation, options: LoadOptions, work: (engine: EngineClient, model: LoadedModel) => Promise<T>): Promise<T> {
  const { output, signal } = invocation;
  return withEngine(invocation, async (engine) => {
    engine.on('model-load-progress', (progress) => output.status(describeProgress(progress)));
    engine.on('alignment-message', (message) => output.note(`alignment: ${message.message}`));
    const model = await engine.request('model-load', options, signal);
    output.status('');
    for (const warning of model.plan.warnings) {
      output.note(`warning: ${warning.message}`);
    }
    return work(engine, model);
  });
}

export function describeProgress({ phase, device, doneBytes, totalBytes, remainingMs }: LoadProgress): string {
  const where = device === undefined ? '' : ` ${device}`;
  const bytes = totalBytes > 0 ? ` ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}` : '';
  const left = remainingMs === undefined ? '' : `, ${Math.max(1, Math.round(remainingMs / 1000))} s left`;
  return `${phase}${where}${bytes}${left}`;
}
