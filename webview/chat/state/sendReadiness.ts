/** Whether the composer may send, and if not, why and what to do about it. */

import type { ChatState } from './chatState';

export interface SendReadiness {
  readonly canSend: boolean;
  /** Shown under the composer; undefined when there is nothing to explain. */
  readonly reason?: string;
  readonly action?: { readonly label: string; readonly request: 'model-reload' | 'model-choose' };
}

// Constants where they are returned per frame, so that the composer is not rendered anew.
const ready: SendReadiness = { canSend: true };
const busy: SendReadiness = { canSend: false };

export function readinessToSend(state: ChatState): SendReadiness {
  if (state.connection === 'connecting') {
    return { canSend: false, reason: 'Connecting to the extension …' };
  }
  if (state.generation !== undefined) {
    return busy;
  }
  switch (state.model.kind) {
    case 'ready':
      return ready;
    case 'none': {
      const only = state.choices.length === 1 ? state.choices[0] : undefined;
      return { canSend: true, reason: only === undefined ? 'Sending loads the last model first.' : `Sending loads ${only.label} first.` };
    }
    case 'loading':
      return { canSend: false, reason: `${state.model.name} is still loading.` };
    case 'failed':
      return { canSend: false, reason: `${state.model.name} could not be loaded.`, action: { label: 'Choose a model', request: 'model-choose' } };
    case 'lost':
      return state.model.restarting ? { canSend: false, reason: 'The engine is being restarted.' } : { canSend: false, reason: 'The engine has stopped.', action: { label: 'Restart engine', request: 'model-reload' } };
    default:
      return state.model satisfies never;
  }
}
