/**
 * Which models the engines of this user hold on which GPUs, so that two on one device are noticed: a small file per engine process, in a folder
 * that all of them know. A file whose process is gone counts for nothing and is removed.
 */

import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import type { OtherModel } from '../../alignment/facts';
import { deviceKind, tryParseDeviceId, type DeviceId } from '../../common/deviceId';

export interface LoadedModelsOptions {
  readonly folder?: string;
  readonly pid?: number;
  readonly isAlive?: (pid: number) => boolean;
}

export class LoadedModels {
  private readonly folder: string;
  private readonly pid: number;
  private readonly isAlive: (pid: number) => boolean;

  constructor(options: LoadedModelsOptions = {}) {
    this.folder = options.folder ?? join(tmpdir(), `glm-local-engines-${userInfo().uid}`);
    this.pid = options.pid ?? process.pid;
    this.isAlive = options.isAlive ?? isProcess;
  }

  /** Tells the other engines what this one holds, by device. The CPU is everybody's and not told. A folder that can't be written costs nothing but the notice. */
  announce(name: string, bytesByDevice: ReadonlyMap<DeviceId, number>): void {
    const gpus = [...bytesByDevice.keys()].filter((device) => deviceKind(device) !== 'cpu');
    if (gpus.length === 0) {
      return;
    }
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 });
      writeFileSync(this.file(this.pid), JSON.stringify({ name, devices: gpus, bytes: Object.fromEntries(gpus.map((device) => [device, bytesByDevice.get(device)])) }), { mode: 0o600 });
    } catch {
      // Another user's folder of that name, or a full disk.
    }
  }

  withdraw(): void {
    rmSync(this.file(this.pid), { force: true });
  }

  /** What the other engines hold now. */
  others(): readonly OtherModel[] {
    const models: OtherModel[] = [];
    for (const name of this.files()) {
      const pid = Number(/^(\d+)\.json$/.exec(name)?.[1]);
      if (!Number.isInteger(pid) || pid === this.pid) {
        continue;
      }
      if (!this.isAlive(pid)) {
        rmSync(this.file(pid), { force: true });
        continue;
      }
      const model = this.read(pid);
      if (model !== undefined) {
        models.push(model);
      }
    }
    return models;
  }

  private files(): readonly string[] {
    try {
      return readdirSync(this.folder);
    } catch {
      return [];
    }
  }

  /** Undefined for a file that another engine is just writing, or that is not one of ours. */
  private read(pid: number): OtherModel | undefined {
    try {
      const { name, devices, bytes } = JSON.parse(readFileSync(this.file(pid), 'utf8')) as { name?: unknown; devices?: unknown; bytes?: Readonly<Record<string, unknown>> };
      if (typeof name !== 'string' || !Array.isArray(devices)) {
        return undefined;
      }
      const known = devices.flatMap((device) => (typeof device === 'string' ? (tryParseDeviceId(device) ?? []) : []));
      return { name, devices: known, bytes: Object.fromEntries(known.flatMap((device) => (typeof bytes?.[device] === 'number' ? [[device, bytes[device]]] : []))) };
    } catch {
      return undefined;
    }
  }

  private file(pid: number): string {
    return join(this.folder, `${pid}.json`);
  }
}

function isProcess(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
