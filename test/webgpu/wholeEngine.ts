import { join } from 'node:path';
import { silentLog } from '../../src/common/log';
import { Engine, type EngineContext } from '../../src/engine/worker/engine';
import { LoadedModels } from '../../src/engine/worker/loadedModels';

/** An engine in this process, which takes itself for process `pid`. Events that are not given are dropped. */
export function wholeEngine(folder: string, { pid = 1, events = {} }: { readonly pid?: number; readonly events?: Partial<EngineContext['events']> } = {}): Engine {
  return new Engine({
    env: {},
    log: silentLog,
    timer: { nowMs: () => performance.now(), after: () => () => undefined },
    bundlePath: 'none',
    packThreadFile: undefined,
    loadedModels: new LoadedModels({ folder: join(folder, 'engines'), pid, isAlive: () => true }),
    events: { onDelta: () => undefined, onPrefill: () => undefined, onContextLimit: () => undefined, onAlignment: () => undefined, onAlignmentResolved: () => undefined, ...events },
    onProgress: () => undefined,
    onMemoryUse: () => undefined,
  });
}
