/** Reads the trace that ONNX Runtime writes of a profiled run: its nodes in the order in which they ran, with the host's clock. */

import { GlmError } from '../common/errors';

export interface RuntimeNode {
  readonly name: string;
  readonly opType: string;
  /** Such as `CPUExecutionProvider`. */
  readonly provider: string;
  readonly startUs: number;
  readonly durationUs: number;
  /** Its kernels by the device's own clock, where the runtime reads it; starts count from the first kernel of the run. */
  readonly device?: { readonly startUs: number; readonly durationUs: number };
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
  const kernels = new Map<string, { startUs: number; durationUs: number }>();
  let firstKernelUs: number | undefined;
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
    if (cat === 'Api' && name.split('&').length === 3) {
      // WebGPU, by timestamps of the adapter: `node&operator&kernel`.
      const node = name.slice(0, name.indexOf('&'));
      firstKernelUs ??= ts;
      const known = kernels.get(node);
      kernels.set(node, { startUs: Math.min(known?.startUs ?? Infinity, ts - firstKernelUs), durationUs: (known?.durationUs ?? 0) + dur });
    }
    if (cat === 'Node' && name.endsWith(nodeSuffix)) {
      const { op_name: opType, provider } = (args ?? {}) as Readonly<Record<string, unknown>>;
      nodes.push({ name: name.slice(0, -nodeSuffix.length), opType: typeof opType === 'string' ? opType : '?', provider: typeof provider === 'string' ? provider : '?', startUs: ts, durationUs: dur });
    }
  }
  if (nodes.length === 0) {
    throw unreadable('it has no nodes');
  }
  nodes.sort((a, b) => a.startUs - b.startUs);
  return { nodes: kernels.size === 0 ? nodes : nodes.map((node) => withKernels(node, kernels)), ...(runUs === undefined ? {} : { runUs }) };
}

/** A node without a kernel, such as one that only renames its input, took no time on the device. */
function withKernels(node: RuntimeNode, kernels: ReadonlyMap<string, { readonly startUs: number; readonly durationUs: number }>): RuntimeNode {
  return { ...node, device: kernels.get(node.name) ?? { startUs: 0, durationUs: 0 } };
}

function unreadable(why: string, cause?: unknown): GlmError {
  return new GlmError('operator-trace-unreadable', `The runtime's profile of a step can't be read: ${why}. Operators can't be shown; the phases of a request still can.`, { cause });
}
