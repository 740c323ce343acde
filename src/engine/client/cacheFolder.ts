/** Where command line and extension keep what can be made again, in one place, so that a model is packed and CUDA downloaded once. */

import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { expandHome } from '../../common/homePath';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The folder of packed weights: GLM_LOCAL_CACHE, else the system's place for caches.
 * A relative XDG_CACHE_HOME is ignored, as the XDG Base Directory Specification asks.
 */
export function defaultCacheFolder(env: Environment, platform: NodeJS.Platform = process.platform, home: string = homedir()): string {
  if (env.GLM_LOCAL_CACHE) {
    return expandHome(env.GLM_LOCAL_CACHE, home);
  }
  switch (platform) {
    case 'win32':
      return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'glm-local', 'cache');
    case 'darwin':
      return join(home, 'Library', 'Caches', 'glm-local');
    default:
      return join(isAbsolute(env.XDG_CACHE_HOME ?? '') ? (env.XDG_CACHE_HOME ?? '') : join(home, '.cache'), 'glm-local');
  }
}

/** Where `glm setup-cuda` and the extension's Set Up CUDA install what they download. */
export function cudaInstallFolder(env: Environment): string {
  return join(defaultCacheFolder(env), 'cuda');
}
