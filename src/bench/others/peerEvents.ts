/** Lines that the transformers script prints, checked. Pure. */

const marker = '@glm-local ';

export interface PeerReady {
  readonly event: 'ready';
  readonly python: string;
  readonly torch: string;
  readonly transformers: string;
  readonly device: string;
  readonly deviceName: string;
  readonly threads: number;
  readonly attention: string;
  readonly loadMs: number;
}

export interface PeerRunEvent {
  readonly event: 'run';
  readonly variant: string;
  readonly case: string;
  readonly isCounted: boolean;
  readonly tokenTimesMs: readonly number[];
  readonly totalMs: number;
  readonly generatedTokens: number;
  readonly peakMemoryBytes: Readonly<Record<string, number>>;
}

export type PeerEvent =
  | PeerReady
  | PeerRunEvent
  | { readonly event: 'warming'; readonly variant: string; readonly warmupRuns: number }
  | { readonly event: 'warm'; readonly variant: string; readonly warmingMs: number; readonly isCompiled: boolean }
  | { readonly event: 'variant-failed'; readonly variant: string; readonly reason: string }
  | { readonly event: 'failed'; readonly reason: string }
  | { readonly event: 'end' };

const fieldsOf: Readonly<Record<PeerEvent['event'], Readonly<Record<string, 'string' | 'number' | 'boolean' | 'numbers' | 'object'>>>> = {
  ready: { python: 'string', torch: 'string', transformers: 'string', device: 'string', deviceName: 'string', threads: 'number', attention: 'string', loadMs: 'number' },
  warming: { variant: 'string', warmupRuns: 'number' },
  warm: { variant: 'string', warmingMs: 'number', isCompiled: 'boolean' },
  run: { variant: 'string', case: 'string', isCounted: 'boolean', tokenTimesMs: 'numbers', totalMs: 'number', generatedTokens: 'number', peakMemoryBytes: 'object' },
  'variant-failed': { variant: 'string', reason: 'string' },
  failed: { reason: 'string' },
  end: {},
};

/** Undefined for a line that is something else: libraries print to the same place. */
export function parsePeerLine(line: string): PeerEvent | undefined {
  if (!line.startsWith(marker)) {
    return undefined;
  }
  let value: unknown;
  try {
    value = JSON.parse(line.slice(marker.length));
  } catch {
    return undefined;
  }
  const record = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  const fields = Object.hasOwn(fieldsOf, String(record.event)) ? fieldsOf[record.event as PeerEvent['event']] : undefined;
  const fits = (kind: string, field: unknown): boolean =>
    kind === 'numbers' ? Array.isArray(field) && field.every((each) => typeof each === 'number') : kind === 'object' ? typeof field === 'object' && field !== null : typeof field === kind;
  return fields !== undefined && Object.entries(fields).every(([name, kind]) => fits(kind, record[name])) ? (record as unknown as PeerEvent) : undefined;
}
