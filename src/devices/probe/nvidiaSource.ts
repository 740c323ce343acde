/** Opens the best way to read NVIDIA GPUs that this machine has, and says why not when it has none. */

import { spawn } from 'node:child_process';
import { isGlmError } from '../../common/errors';
import type { Log } from '../../common/log';
import { parseSmiRow, smiArguments, type SmiRow } from './nvidiaSmi';
import type { Nvml } from './nvmlApi';
import { visibleGpus, type VisibleGpu } from './visibleGpus';

export type NvidiaSource =
  | { readonly kind: 'nvml'; readonly nvml: Nvml; readonly gpus: readonly VisibleGpu[]; readonly notes: readonly string[] }
  | { readonly kind: 'nvidia-smi'; readonly command: string; readonly rows: readonly SmiRow[]; readonly notes: readonly string[] }
  | { readonly kind: 'none'; readonly notes: readonly string[] };

export interface NvidiaSourceOptions {
  readonly loadNvml: () => Promise<Nvml>;
  readonly smiCommands: readonly string[];
  readonly runSmi: (command: string, args: readonly string[]) => Promise<string | undefined>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isWsl: boolean;
  readonly log: Log;
}

export async function openNvidiaSource(options: NvidiaSourceOptions): Promise<NvidiaSource> {
  let reason: string;
  try {
    const nvml = await options.loadNvml();
    const devices = nvml.devices();
    const gpus = visibleGpus(devices, options.env['CUDA_VISIBLE_DEVICES']);
    return { kind: 'nvml', nvml, gpus, notes: [...devices.filter((device) => typeof device === 'string'), ...hiddenNotes(devices.length, gpus, options.env)] };
  } catch (error) {
    reason = isGlmError(error) ? error.message : `NVML failed: ${String(error)}`;
    options.log.log('info', 'probe', reason);
  }
  for (const command of options.smiCommands) {
    const rows = (await options.runSmi(command, smiArguments()))?.split('\n').flatMap((line) => parseSmiRow(line) ?? []);
    if (rows !== undefined && rows.length > 0) {
      return {
        kind: 'nvidia-smi',
        command,
        rows: visibleRows(rows, options.env['CUDA_VISIBLE_DEVICES']),
        notes: [`NVIDIA readings come from nvidia-smi, without PCIe traffic, processes and throttle reasons. ${reason}`],
      };
    }
  }
  const hint = options.isWsl ? ' In WSL the driver is installed in Windows (version 580 or newer), not in Linux; then run "wsl --shutdown" once.' : '';
  return { kind: 'none', notes: [`No NVIDIA GPU can be read. ${reason}${hint}`] };
}

/** Rows in CUDA's order, by the same rules as for NVML. */
export function visibleRows(rows: readonly SmiRow[], setting: string | undefined): readonly SmiRow[] {
  if (setting === undefined) {
    return rows;
  }
  const found: SmiRow[] = [];
  for (const entry of setting.split(',').map((text) => text.trim())) {
    const row = rows.find((one) => (/^\d+$/.test(entry) ? one.index === Number(entry) : entry.startsWith('GPU-') && (one.uuid?.startsWith(entry) ?? false)));
    if (row === undefined || found.includes(row)) {
      break;
    }
    found.push(row);
  }
  return found;
}

/** Runs nvidia-smi once; undefined when it is missing, fails or takes more than ten seconds. */
export function runSmiOnce(command: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true, timeout: 10_000 });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', () => resolve(undefined));
    child.on('close', (code) => resolve(code === 0 ? Buffer.concat(chunks).toString('utf8') : undefined));
  });
}

function hiddenNotes(numDevices: number, gpus: readonly VisibleGpu[], env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const setting = env['CUDA_VISIBLE_DEVICES'];
  const hidden = numDevices - gpus.length;
  if (numDevices === 0) {
    return ['The NVIDIA driver is there but shows no GPU.'];
  }
  return setting !== undefined && hidden > 0 ? [`${hidden} of ${numDevices} NVIDIA GPUs are hidden by CUDA_VISIBLE_DEVICES=${setting}.`] : [];
}
