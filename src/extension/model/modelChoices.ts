/** The models to choose from: the demo model, those used before, and those found in the Hugging Face cache. Remembers across windows. */

import { formatBytes } from '../../common/byteFormat';
import type { ListedCheckpoint } from '../../common/protocol/engine';
import type { ModelChoice } from '../../common/protocol/webview';
import { Emitter } from '../emitter';
import { sourceName } from './modelService';

/** The part of vscode.Memento that is used here. */
export interface Memory {
  get<T>(key: string): T | undefined;
  update(key: string, value: unknown): Thenable<void>;
}

const recentKey = 'glm.recentSources';
const longestRecent = 8;

export class ModelChoices {
  readonly onChange = new Emitter<readonly ModelChoice[]>();
  private cached: readonly ListedCheckpoint[] = [];

  constructor(
    private readonly memory: Memory,
    /** Folder of the model that ships with the extension. */
    readonly demoSource: string | undefined,
    private readonly configuredSource: () => string,
  ) {}

  /** The setting, the model used last, or the demo model. */
  get defaultSource(): string | undefined {
    return this.configuredSource() || this.recent[0] || this.demoSource;
  }

  get list(): readonly ModelChoice[] {
    const choices = new Map<string, ModelChoice>();
    const add = (choice: ModelChoice): void => {
      if (!choices.has(choice.source)) {
        choices.set(choice.source, choice);
      }
    };
    if (this.demoSource !== undefined) {
      add({ source: this.demoSource, label: 'Demo model', detail: 'Ships with the extension; answers about device placement on any machine', isDemo: true });
    }
    for (const source of [this.configuredSource(), ...this.recent].filter((item) => item !== '')) {
      add({ source, label: sourceName(source), detail: source, isDemo: false });
    }
    for (const { name, supported, modelType, fileBytes } of this.cached) {
      if (supported) {
        add({ source: name, label: sourceName(name), detail: `${name} · ${modelType ?? 'unknown type'} · ${formatBytes(fileBytes)} · Hugging Face cache`, isDemo: false });
      }
    }
    return [...choices.values()];
  }

  /** Checkpoints in the cache that cannot be loaded, with the reason. */
  get refused(): readonly ListedCheckpoint[] {
    return this.cached.filter((checkpoint) => !checkpoint.supported);
  }

  isDemo(source: string): boolean {
    return source === this.demoSource;
  }

  remember(source: string): void {
    const recent = [source, ...this.recent.filter((item) => item !== source)].slice(0, longestRecent);
    void this.memory.update(recentKey, recent.map((item) => (this.isDemo(item) ? demoMark : item)));
    this.onChange.fire(this.list);
  }

  setCached(cached: readonly ListedCheckpoint[]): void {
    this.cached = cached;
    this.onChange.fire(this.list);
  }

  private get recent(): readonly string[] {
    const stored = this.memory.get<unknown>(recentKey);
    const sources = Array.isArray(stored) ? stored.filter((item): item is string => typeof item === 'string') : [];
    return sources.map((item) => (item === demoMark ? this.demoSource : item)).filter((item): item is string => item !== undefined);
  }
}

/** The demo model's folder has the extension's version in it, so its path is not worth remembering. */
const demoMark = '<demo>';
