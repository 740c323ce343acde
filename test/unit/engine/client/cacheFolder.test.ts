import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cudaInstallFolder, defaultCacheFolder } from '../../../../src/engine/client/cacheFolder';

describe('defaultCacheFolder', () => {
  it.each([
    [{}, 'linux', '/home/jane/.cache/glm-local'],
    [{ XDG_CACHE_HOME: '/big/cache' }, 'linux', '/big/cache/glm-local'],
    [{ XDG_CACHE_HOME: '' }, 'linux', '/home/jane/.cache/glm-local'],
    [{ XDG_CACHE_HOME: 'cache' }, 'linux', '/home/jane/.cache/glm-local'],
    [{ XDG_CACHE_HOME: '/big/cache' }, 'darwin', '/home/jane/Library/Caches/glm-local'],
    [{ GLM_LOCAL_CACHE: '~/packed', XDG_CACHE_HOME: '/big/cache' }, 'linux', '/home/jane/packed'],
    [{ GLM_LOCAL_CACHE: '' }, 'linux', '/home/jane/.cache/glm-local'],
  ] as const)('with %j on %s is %s', (env, platform, folder) => {
    expect(defaultCacheFolder(env, platform, '/home/jane')).toBe(folder);
  });

  it.each([
    [{ LOCALAPPDATA: '/local' }, '/local'],
    [{ LOCALAPPDATA: '' }, '/home/jane/AppData/Local'],
    [{}, '/home/jane/AppData/Local'],
  ])('with %j lies in the local data of a Windows user', (env, root) => {
    expect(defaultCacheFolder(env, 'win32', '/home/jane')).toBe(join(root, 'glm-local', 'cache'));
  });

  it('holds the CUDA libraries', () => {
    expect(cudaInstallFolder({ GLM_LOCAL_CACHE: '/packed' })).toBe(join('/packed', 'cuda'));
  });
});
