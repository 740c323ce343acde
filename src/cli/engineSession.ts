/** An engine for the time of one command: started, loaded with progress on the terminal, always ended. */

import { formatBytes } from '../common/byteFormat';
import type { LoadedModel, LoadOptions, LoadProgress } from '../common/protocol/engine';
import type { EngineClient } from '../engine/client/startEngine';
import type { Invocation } from './command';

/** How long an interrupted engine may take to stop by itself, such as in the middle of a native call. */
const interruptLimitMs = 3000;

/**
 * Runs `work` with an engine process that has no model loaded.
 *
 * @param work  May call `handleInterrupts` when from then on Ctrl-C is its own business and need not end the engine.
 */
export async function withEngine<T>(invocation: Invocation, work: (engine: EngineClient, handleInterrupts: () => void) => Promise<T>): Promise<T> {
  const engine = invocation.context.startEngine(invocation.log);
  let limit: NodeJS.Timeout | undefined;
  const onInterrupt = (): void => {
    limit = setTimeout(() => void engine.end(0), interruptLimitMs);
  };
  invocation.signal.addEventListener('abort', onInterrupt, { once: true });
  const stopListening = (): void => invocation.signal.removeEventListener('abort', onInterrupt);
  try {
    return await work(engine, stopListening);
  } finally {
    stopListening();
    clearTimeout(limit);
    await engine.end();
  }
}

/** Runs `work` with a loaded model. Warnings of the plan and alignment messages go to stderr. */
export function withModel<T>(
  invocation: Invocation,
  options: LoadOptions,
  work: (engine: EngineClient, model: LoadedModel, handleInterrupts: () => void) => Promise<T>,
): Promise<T> {
  const { output, signal } = invocation;
  return withEngine(invocation, async (engine, handleInterrupts) => {
    engine.on('model-load-progress', (progress) => output.status(describeProgress(progress)));
    // What was found and left is a warning of the log, which stands on stderr already.
    engine.on('alignment-message', ({ state, message }) => state !== 'found' && output.note(`alignment: ${message}`));
    const model = await engine.request('model-load', options, signal);
    output.status('');
    for (const warning of model.plan.warnings) {
      output.note(`warning: ${warning.message}`);
    }
    return work(engine, model, handleInterrupts);
  });
}

export function describeProgress({ phase, device, doneBytes, totalBytes, remainingMs }: LoadProgress): string {
  const where = device === undefined ? '' : ` ${device}`;
  const bytes = totalBytes > 0 ? ` ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}` : '';
  const left = remainingMs === undefined ? '' : `, ${Math.max(1, Math.round(remainingMs / 1000))} s left`;
  return `${phase}${where}${bytes}${left}`;
}
