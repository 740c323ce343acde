/** Video memory of processes, from the kernel's per-file figures of DRM devices (/proc/<pid>/fdinfo). */

import type { SystemFiles } from '../probe/systemFiles';

/**
 * Bytes that the processes hold on the GPU at `pciBusId`; undefined when none of them has it open or the driver gives no figures.
 * A client opened through several file numbers counts once.
 */
export function readClientMemory(files: SystemFiles, pids: readonly number[], pciBusId: string): number | undefined {
  const clients = new Map<string, number>();
  for (const pid of pids) {
    for (const fd of files.list(`proc/${pid}/fd`)) {
      if (!(files.readLink(`proc/${pid}/fd/${fd}`)?.startsWith('/dev/dri/') ?? false)) {
        continue;
      }
      const info = files.readText(`proc/${pid}/fdinfo/${fd}`) ?? '';
      const client = /^drm-client-id:\s*(\S+)/m.exec(info)?.[1];
      if (client === undefined || /^drm-pdev:\s*(\S+)/m.exec(info)?.[1]?.toLowerCase() !== pciBusId.toLowerCase()) {
        continue;
      }
      const bytes = readRegions(info);
      if (bytes !== undefined) {
        clients.set(client, bytes);
      }
    }
  }
  return clients.size === 0 ? undefined : [...clients.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** `drm-memory-vram: 512 KiB` (amdgpu) or `drm-resident-vram0: 8 MiB` (xe, i915 with local memory). */
function readRegions(info: string): number | undefined {
  const units: Readonly<Record<string, number>> = { KiB: 1024, MiB: 2 ** 20 };
  for (const kind of ['resident', 'memory', 'total']) {
    const regions = [...info.matchAll(new RegExp(`^drm-${kind}-vram\\d*:\\s*(\\d+)(?: (KiB|MiB))?$`, 'gm'))];
    if (regions.length > 0) {
      return regions.reduce((sum, [, value, unit]) => sum + Number(value) * (units[unit ?? ''] ?? 1), 0);
    }
  }
  return undefined;
}
