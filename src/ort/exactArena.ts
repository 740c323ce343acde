/** An arena for main memory that grows by what is asked of it, where a session's own doubles with every extension. */

import type { Env } from './env';
import { Handle } from './handle';
import { MemoryInfo } from './memory';
import { callForPointer } from './ortLibrary';
import type { SessionOptions } from './session';

/** ArenaExtendStrategy::kSameAsRequested of bfc_arena.h. */
const sameAsRequested = 1n;

/** One registration at a time: a second would replace the first for the session that is being made. */
let isRegistered = false;

/**
 * Gives the session that `options` will make such an arena, instead of one that it makes itself.
 *
 * The runtime takes an arena with settings only through its environment, which hands the same one to every session that asks. It is therefore registered
 * while the session is being made, and belongs to that session alone afterwards; disposing ends the registration, never the arena.
 *
 * @returns undefined where the runtime has no arena with settings, or while another session is being made with one.
 */
export function tryUseExactArena(env: Env, options: SessionOptions): Disposable | undefined {
  if (isRegistered) {
    return undefined;
  }
  const { library } = env;
  const info = new MemoryInfo(library, 'Cpu', 0, 'arena');
  try {
    using settings = new ArenaSettings(env, { arena_extend_strategy: sameAsRequested });
    library.call('CreateAndRegisterAllocator', env.native, info.native, settings.native);
  } catch {
    info.dispose();
    return undefined;
  }
  isRegistered = true;
  options.setConfig('session.use_env_allocators', '1');
  return {
    [Symbol.dispose]: () => {
      if (!info.isDisposed) {
        isRegistered = false;
        library.call('UnregisterAllocator', env.native, info.native);
        info.dispose();
      }
    },
  };
}

class ArenaSettings extends Handle {
  constructor({ library }: Env, settings: Readonly<Record<string, bigint>>) {
    const keys = Object.keys(settings);
    super('Arena settings', callForPointer(library, 'CreateArenaCfgV2', keys, BigUint64Array.from(Object.values(settings)), keys.length), (native) => library.call('ReleaseArenaCfg', native));
  }
}
