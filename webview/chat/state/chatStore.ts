/** Holds the state, takes actions, and tells the view at most once per frame. */

import { initialState, type ChatAction, type ChatState } from './chatState';
import { reduceChat } from './reduceChat';

/** Runs a callback before the next paint; a parameter so that tests decide when that is. */
export type FrameScheduler = (callback: () => void) => void;

export class ChatStore {
  private current: ChatState = initialState;
  private queue: ChatAction[] = [];
  private isFrameAsked = false;
  private readonly listeners = new Set<(state: ChatState) => void>();

  constructor(private readonly scheduleFrame: FrameScheduler) {}

  get state(): ChatState {
    return this.current;
  }

  /** Queues an action. 500 token deltas a second become one state and one rendering per frame. */
  dispatch(action: ChatAction): void {
    this.queue.push(action);
    if (!this.isFrameAsked) {
      this.isFrameAsked = true;
      this.scheduleFrame(() => {
        this.isFrameAsked = false;
        this.flush();
      });
    }
  }

  /** Listens to new states; the returned function ends it. */
  subscribe(listener: (state: ChatState) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private flush(): void {
    const actions = this.queue;
    this.queue = [];
    const next = actions.reduce(reduceChat, this.current);
    if (next !== this.current) {
      this.current = next;
      for (const listener of [...this.listeners]) {
        listener(next);
      }
    }
  }
}
