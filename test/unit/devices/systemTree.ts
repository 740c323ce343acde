/** Lays out files under a temporary root, as a stand-in for /proc and /sys. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { SystemFiles } from '../../../src/devices/probe/systemFiles';

export interface SystemTree {
  readonly root: string;
  readonly files: SystemFiles;
  write(path: string, text: string): void;
  link(path: string, target: string): void;
  remove(path: string): void;
}

export function systemTree(content: Readonly<Record<string, string>> = {}): SystemTree {
  const root = mkdtempSync(join(tmpdir(), 'system-tree-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const at = (path: string): string => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    return join(root, path);
  };
  const tree: SystemTree = {
    root,
    files: new SystemFiles(root),
    write: (path, text) => writeFileSync(at(path), text),
    link: (path, target) => symlinkSync(target, at(path)),
    remove: (path) => rmSync(join(root, path), { recursive: true, force: true }),
  };
  for (const [path, text] of Object.entries(content)) {
    tree.write(path, text);
  }
  return tree;
}

/** 64 GB machine, 40 available. */
export const meminfo = 'MemTotal:       65536000 kB\nMemFree:        10000000 kB\nMemAvailable:   41943040 kB\n';

/** An AMD card with its sensors and an Intel one, plus the connectors that are no cards. */
export const twoGpus: Readonly<Record<string, string>> = {
  'sys/class/drm/card0/device/vendor': '0x8086\n',
  'sys/class/drm/card0/device/device': '0x56a0\n',
  'sys/class/drm/card0/device/uevent': 'DRIVER=i915\nPCI_SLOT_NAME=0000:03:00.0\n',
  'sys/class/drm/card0/gt_act_freq_mhz': '2400\n',
  'sys/class/drm/card0/lmem_total_bytes': '17179869184\n',
  'sys/class/drm/card0/device/hwmon/hwmon2/energy1_input': '5000000\n',
  'sys/class/drm/card0/device/hwmon/hwmon2/temp1_input': '47000\n',
  'sys/class/drm/card0-DP-1/status': 'connected\n',
  'sys/class/drm/card10/device/vendor': '0x1002\n',
  'sys/class/drm/card10/device/product_name': 'Radeon Example XT\n',
  'sys/class/drm/card10/device/uevent': 'PCI_SLOT_NAME=0000:0A:00.0\n',
  'sys/class/drm/card10/device/gpu_busy_percent': '73\n',
  'sys/class/drm/card10/device/mem_info_vram_total': '17163091968\n',
  'sys/class/drm/card10/device/mem_info_vram_used': '1073741824\n',
  'sys/class/drm/card10/device/pp_dpm_sclk': '0: 500Mhz\n1: 2304Mhz *\n',
  'sys/class/drm/card10/device/pp_dpm_mclk': '0: 96Mhz\n1: 1249Mhz *\n',
  'sys/class/drm/card10/device/hwmon/hwmon5/temp1_input': '61000\n',
  'sys/class/drm/card10/device/hwmon/hwmon5/power1_average': '180500000\n',
  'sys/class/drm/card10/device/hwmon/hwmon5/power1_cap': '300000000\n',
  'sys/class/drm/card2/device/vendor': '0x10de\n',
  'sys/class/drm/renderD128/device/vendor': '0x1002\n',
};
