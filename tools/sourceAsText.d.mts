import type { Plugin } from 'vitest/config';

export const sourceAsText: Plugin;
