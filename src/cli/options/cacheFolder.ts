import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where packed weights are kept between runs: GLM_LOCAL_CACHE, else the system's place for caches. */
export function defaultCacheFolder(env: Readonly<Record<string, string | undefined>>, platform: NodeJS.Platform = process.platform, home: string = homedir()): string {
  if (env.GLM_LOCAL_CACHE) {
    return env.GLM_LOCAL_CACHE;
  }
  switch (platform) {
    case 'win32':
      return join(env.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), 'glm-local', 'cache');
    case 'darwin':
      return join(home, 'Library', 'Caches', 'glm-local');
    default:
      return join(env.XDG_CACHE_HOME ?? join(home, '.cache'), 'glm-local');
  }
}

/** Where `glm setup-cuda` and the extension's Set Up CUDA install what they download. */
export function cudaInstallFolder(env: Readonly<Record<string, string | undefined>>): string {
  return join(defaultCacheFolder(env), 'cuda');
}
