/**
 * Single integers on their way to a WebGPU device: token ids and positions. A copy there allocates memory for staging each time, 0.9 ms on an H200;
 * the arguments of an operator travel with its commands, so a session of one `Range` writes them instead.
 *
 * @see onnxruntime core/providers/webgpu/buffer_manager.cc, Upload; generator/range.cc
 */

import { GraphBuilder } from '../../../onnx/graphBuilder';
import type { Env } from '../../../ort/env';
import type { MemoryInfo } from '../../../ort/memory';
import { IoBinding, RunOptions } from '../../../ort/running';
import { Session, SessionOptions } from '../../../ort/session';
import { Value } from '../../../ort/value';

export class WebgpuInts implements Disposable {
  private readonly start = Int32Array.of(0);
  private readonly limit = Int32Array.of(1);
  private readonly inputs: readonly [Value, Value];
  private readonly options: RunOptions;
  private readonly targets = new Map<Value, { readonly binding: IoBinding; readonly alias: Value }>();

  private constructor(
    private readonly session: Session,
    hostInfo: MemoryInfo,
    private readonly deviceInfo: MemoryInfo,
  ) {
    this.inputs = [Value.overArray(hostInfo, this.start, 'i32', []), Value.overArray(hostInfo, this.limit, 'i32', [])];
    this.options = new RunOptions(session.library);
  }

  /** Undefined where the runtime does not take the operator to the device. */
  static async tryCreate(env: Env, configure: (options: SessionOptions) => void, hostInfo: MemoryInfo, deviceInfo: MemoryInfo): Promise<WebgpuInts | undefined> {
    const graph = new GraphBuilder('integers');
    const [start, limit] = [graph.addInput('start', 'i32', []), graph.addInput('limit', 'i32', [])];
    graph.addOutput(graph.addSingle({ operator: 'Range', name: 'value', inputs: [start, limit, graph.addInitializer('step', 'i32', [], Int32Array.of(1))], outputs: [{ dtype: 'i32', shape: [1] }] }));
    const options = new SessionOptions(env.library).setConfig('session.record_ep_graph_assignment_info', '1');
    try {
      configure(options);
      const session = await Session.fromBytes(env, graph.toModelBytes(), options);
      const isOnDevice = session.assignedNodes()?.every(({ provider }) => /webgpu/i.test(provider)) === true;
      if (isOnDevice) {
        return new WebgpuInts(session, hostInfo, deviceInfo);
      }
      session.dispose();
      return undefined;
    } finally {
      options.dispose();
    }
  }

  /** Work that is queued later reads `value` in `to`, an i32 tensor of one element. */
  write(to: Value, value: number): void {
    this.start[0] = value;
    this.limit[0] = value + 1;
    this.targetOf(to).binding.run(this.options);
  }

  /** Before `value` is released. */
  forget(value: Value): void {
    const target = this.targets.get(value);
    this.targets.delete(value);
    target?.binding.dispose();
    target?.alias.dispose();
  }

  [Symbol.dispose](): void {
    [...this.targets.keys()].forEach((value) => this.forget(value));
    this.inputs.forEach((value) => value.dispose());
    this.options.dispose();
    this.session.dispose();
  }

  private targetOf(to: Value): { readonly binding: IoBinding; readonly alias: Value } {
    const known = this.targets.get(to);
    if (known !== undefined) {
      return known;
    }
    const alias = Value.overAddress(this.deviceInfo, to.dataAddress, 'i32', [1], to);
    // The operator reads both inputs in host memory, so they need no binding again.
    const target = { binding: new IoBinding(this.session).bindInput('start', this.inputs[0]).bindInput('limit', this.inputs[1]).bindOutput('value', alias), alias };
    this.targets.set(to, target);
    return target;
  }
}
