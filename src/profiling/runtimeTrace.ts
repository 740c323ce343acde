/** Reads the trace that ONNX Runtime writes of a profiled run: its nodes in the order in which they ran, with the host's clock. */

import { GlmError } from '../common/errors';

export interface RuntimeNode {
  readonly name: string;
  readonly opType: string;
  /** Such as `CPUExecutionProvider`. */
  readonly provider: string;
  readonly startUs: number;
  readonly durationUs: number;
  /** By the device's own clock, where the runtime reads it; starts count from the first kernel of the run. The duration is that of the kernels, without what lies between them. */
  readonly device?: { readonly startUs: number; readonly durationUs: number; readonly kernels: readonly RuntimeKernel[] };
}

/** A program that a node ran on the device. */
export interface RuntimeKernel {
  readonly name: string;
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
  const kernels = new Map<string, RuntimeKernel[]>();
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
    const kernel = cat === 'Api' ? webgpuKernel(name) : undefined;
    if (kernel !== undefined) {
      kernels.set(kernel.node, [...(kernels.get(kernel.node) ?? []), { name: kernel.name, startUs: ts, durationUs: dur }]);
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
  const firstKernelUs = [...kernels.values()].flat().reduce((first, { startUs }) => Math.min(first, startUs), Infinity);
  return { nodes: kernels.size === 0 ? nodes : nodes.map((node) => ({ ...node, device: sumKernels(kernels.get(node.name) ?? [], firstKernelUs) })), ...(runUs === undefined ? {} : { runUs }) };
}

/**
 * WebGPU's timestamps come as events `node&operator&program`. Programs of one kind of node have names of their own: a product of many rows is
 * `SubgroupMatrixMatMulNBits` or `MatMulNBitsWideTile`, after whatever lays out its input.
 *
 * @see onnxruntime core/providers/webgpu/webgpu_context.cc, CollectProfilingData
 */
function webgpuKernel(event: string): { readonly node: string; readonly name: string } | undefined {
  const parts = event.split('&');
  return parts.length < 3 ? undefined : { node: parts.slice(0, -2).join('&'), name: parts[parts.length - 1] as string };
}

/** A node without a kernel, such as one that only renames its input, took no time on the device. */
function sumKernels(kernels: readonly RuntimeKernel[], firstKernelUs: number): NonNullable<RuntimeNode['device']> {
  const own = kernels.map((kernel) => ({ ...kernel, startUs: kernel.startUs - firstKernelUs }));
  return { startUs: own.length === 0 ? 0 : Math.min(...own.map(({ startUs }) => startUs)), durationUs: own.reduce((sum, { durationUs }) => sum + durationUs, 0), kernels: own };
}

function unreadable(why: string, cause?: unknown): GlmError {
  return new GlmError('operator-trace-unreadable', `The runtime's profile of a step can't be read: ${why}. Operators can't be shown; the phases of a request still can.`, { cause });
}
