/** AMD and Intel GPUs as the Linux kernel shows them under /sys/class/drm. */

import type { SystemFiles } from './systemFiles';

export interface SysfsGpu {
  readonly kind: 'amd' | 'intel';
  /** Folder of the card, such as `sys/class/drm/card1`. */
  readonly card: string;
  readonly name: string;
  readonly pciBusId?: string;
  /** Folder of its sensors, when the driver has one. */
  readonly sensors?: string;
  readonly totalBytes?: number;
}

const vendors: Readonly<Record<string, 'amd' | 'intel'>> = { '0x1002': 'amd', '0x8086': 'intel' };

/** The cards of both vendors in the kernel's order. Connectors (`card0-DP-1`) and render nodes are not cards. */
export function findSysfsGpus(files: SystemFiles): readonly SysfsGpu[] {
  return files
    .list('sys/class/drm')
    .filter((entry) => /^card\d+$/.test(entry))
    .sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)))
    .flatMap((entry): readonly SysfsGpu[] => {
      const card = `sys/class/drm/${entry}`;
      const kind = vendors[files.readText(`${card}/device/vendor`)?.trim() ?? ''];
      if (kind === undefined) {
        return [];
      }
      const uevent = files.readText(`${card}/device/uevent`) ?? '';
      const [sensors] = files.list(`${card}/device/hwmon`);
      return [
        {
          kind,
          card,
          name: gpuName(files, card, kind),
          pciBusId: /^PCI_SLOT_NAME=(.+)$/m.exec(uevent)?.[1],
          sensors: sensors === undefined ? undefined : `${card}/device/hwmon/${sensors}`,
          totalBytes: files.readNumber(`${card}/device/mem_info_vram_total`) ?? files.readNumber(`${card}/lmem_total_bytes`),
        },
      ];
    });
}

function gpuName(files: SystemFiles, card: string, kind: 'amd' | 'intel'): string {
  const product = files.readText(`${card}/device/product_name`)?.trim();
  const device = files.readText(`${card}/device/device`)?.trim();
  const vendor = kind === 'amd' ? 'AMD' : 'Intel';
  return product !== undefined && product !== '' ? product : `${vendor} GPU ${device ?? ''}`.trim();
}
