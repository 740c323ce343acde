/** Reads the trace that ONNX Runtime writes of a profiled run: its nodes in the order in which they ran, with the host's clock. */

import { GlmError } from '../common/errors';

export interface RuntimeNode {
  readonly name: string;
  readonly opType: string;
  /** Such as `CPUExecutionProvider`. */
  readonly provider: string;
  readonly startUs: number;
  readonly durationUs: number;
}

export interface RuntimeTrace {
  readonly nodes: readonly RuntimeNode[];
  /** The whole run; undefined where the runtime did not note it. */
  readonly runUs?: number;
}

const nodeSuffix = '_kernel_time';

/** @throws {GlmError} `operator-trace-unreadable` for what is no such trace. */
export function parseRuntimeTrace(text: string): RuntimeTrace {
  let events: unknown;
  try {
    events = JSON.parse(text);
  } catch (cause) {
    throw unreadable(`its JSON is broken (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  if (!Array.isArray(events)) {
    throw unreadable('it is no list of events');
  }
  const nodes: RuntimeNode[] = [];
  let runUs: number | undefined;
  for (const event of events as readonly unknown[]) {
    if (typeof event !== 'object' || event === null) {
      continue;
    }
    const { cat, name, ts, dur, args } = event as Readonly<Record<string, unknown>>;
    if (typeof name !== 'string' || typeof ts !== 'number' || typeof dur !== 'number') {
      continue;
    }
    if (cat === 'Session' && name === 'model_run') {
      runUs = dur;
    }
    if (cat === 'Node' && name.endsWith(nodeSuffix)) {
      const { op_name: opType, provider } = (args ?? {}) as Readonly<Record<string, unknown>>;
      nodes.push({ name: name.slice(0, -nodeSuffix.length), opType: typeof opType === 'string' ? opType : '?', provider: typeof provider === 'string' ? provider : '?', startUs: ts, durationUs: dur });
    }
  }
  if (nodes.length === 0) {
    throw unreadable('it has no nodes');
  }
  return { nodes: nodes.sort((a, b) => a.startUs - b.startUs), ...(runUs === undefined ? {} : { runUs }) };
}

function unreadable(why: string, cause?: unknown): GlmError {
  return new GlmError('operator-trace-unreadable', `The runtime's profile of a step can't be read: ${why}. Operators can't be shown; the phases of a request still can.`, { cause });
}
