import type { NextStep } from './errors';

/** What helps when a conversation fills its context. */
export const contextSteps: readonly NextStep[] = [
  { label: 'New chat', command: 'glm.newChat' },
  { label: 'Longer context …', command: 'glm.openSettings', args: ['glm.contextLength'], terminal: 'Load with a larger --context' },
];
