/**
 * What the view itself remembers across hiding, moving and reloading the window, through the editor's getState/setState.
 * Everything else comes back from the host with `view-ready`.
 */

export type PanelName = 'history' | 'settings';

/** A turn and how far its upper edge lies above the upper edge of the view; pixels from the start would not survive another width. */
export interface ScrollPlace {
  readonly conversationId: string;
  readonly turnId: string;
  readonly abovePx: number;
}

export interface ViewMemory {
  /** Unsent text of the composer. */
  readonly draft: string;
  readonly panel?: PanelName;
  /** Devices whose details are open. */
  readonly openDevices: readonly string[];
  /** Where the conversation was scrolled to; undefined follows the newest line. */
  readonly scroll?: ScrollPlace;
}

export const emptyMemory: ViewMemory = { draft: '', openDevices: [] };

/** The part of the webview API that keeps state. */
export interface StateKeeper {
  getState(): unknown;
  setState(state: unknown): void;
}

/** Reads what an earlier version or a broken write may have left: fields of the wrong type fall back to their default. */
export function parseViewMemory(value: unknown): ViewMemory {
  if (typeof value !== 'object' || value === null) {
    return emptyMemory;
  }
  const { draft, panel, openDevices, scroll } = value as Record<string, unknown>;
  return {
    draft: typeof draft === 'string' ? draft : '',
    panel: panel === 'history' || panel === 'settings' ? panel : undefined,
    openDevices: Array.isArray(openDevices) ? openDevices.filter((id): id is string => typeof id === 'string') : [],
    scroll: isScroll(scroll) ? { conversationId: scroll.conversationId, turnId: scroll.turnId, abovePx: scroll.abovePx } : undefined,
  };
}

function isScroll(value: unknown): value is ScrollPlace {
  const scroll = value as { conversationId?: unknown; turnId?: unknown; abovePx?: unknown } | undefined | null;
  return typeof scroll?.conversationId === 'string' && typeof scroll.turnId === 'string' && typeof scroll.abovePx === 'number' && Number.isFinite(scroll.abovePx);
}

/** The remembered state; each change is written at once, since a view can vanish without notice. */
export class ViewMemoryKeeper {
  private current: ViewMemory;

  constructor(private readonly keeper: StateKeeper) {
    this.current = parseViewMemory(keeper.getState());
  }

  get memory(): ViewMemory {
    return this.current;
  }

  remember(change: Partial<ViewMemory>): void {
    this.current = { ...this.current, ...change };
    this.keeper.setState(this.current);
  }
}
