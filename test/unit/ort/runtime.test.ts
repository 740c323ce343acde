import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/graphBuilder';
import { addMul } from '../../../src/onnx/operators';
import { Env } from '../../../src/ort/env';
import { Allocator, HostMemory, MemoryInfo } from '../../../src/ort/memory';
import { copyFromAddress, copyToAddress } from '../../../src/ort/nativeBytes';
import { loadOrtLibrary, locateOrtLibrary } from '../../../src/ort/ortLibrary';
import { IoBinding, RunOptions } from '../../../src/ort/running';
import { Session, SessionOptions } from '../../../src/ort/session';
import { Value } from '../../../src/ort/value';

const env = Env.open();
const { library } = env;
afterAll(() => env.dispose());

/** y = x · x, any length. */
function squareModel(): Uint8Array {
  const graph = new GraphBuilder('square');
  const x = graph.addInput('x', 'f32', ['n']);
  graph.addOutput(addMul(graph, 'y', x, x));
  return graph.toModelBytes();
}

async function openSession(model: Uint8Array, change: (options: SessionOptions) => void = () => undefined): Promise<Session> {
  const options = new SessionOptions(library);
  change(options);
  try {
    return await Session.fromBytes(env, model, options);
  } finally {
    options.dispose();
  }
}

describe('locateOrtLibrary', () => {
  it('finds the library of the onnxruntime-node package', () => {
    expect(locateOrtLibrary()).toMatch(/onnxruntime-node.*libonnxruntime|onnxruntime\.dll/);
  });

  it('says where it looked when an override names nothing', () => {
    expect(() => locateOrtLibrary('/nowhere/libonnxruntime.so')).toThrow(/nowhere.*no such file.*glm\.ortLibrary/s);
  });

  it('says what is missing in a folder without a library', () => {
    const folder = mkdtempSync(join(tmpdir(), 'glm-ort-'));
    expect(() => locateOrtLibrary(folder)).toThrow(/holds no/);
  });

  it('refuses a file that is no library, with the loader’s own reason', () => {
    const file = join(mkdtempSync(join(tmpdir(), 'glm-ort-')), 'libonnxruntime.so');
    writeFileSync(file, 'not a library');
    expect(() => loadOrtLibrary(file)).toThrow(expect.objectContaining({ code: 'runtime-library-not-loaded' }));
  });
});

describe('the C API', () => {
  it('reports its version and the CPU provider', () => {
    expect(library.version).toMatch(/^1\.\d+\.\d+/);
    expect(env.availableProviders()).toContain('CPUExecutionProvider');
  });

  it('turns a status into an error that names the call', () => {
    expect(() => new MemoryInfo(library, 'Moon' as 'Cpu')).toThrow(expect.objectContaining({ code: 'runtime-call-failed', fields: expect.objectContaining({ call: 'CreateMemoryInfo' }) }));
  });

  it('refuses a model that is none, from a worker thread as well', async () => {
    await expect(openSession(new Uint8Array([1, 2, 3, 4]))).rejects.toMatchObject({ code: 'runtime-call-failed', fields: { call: 'CreateSessionFromArray' } });
  });

  it('throws by name when a handle is used after it was disposed, and lets it be disposed twice', () => {
    const info = new MemoryInfo(library, 'Cpu');
    info.dispose();
    info.dispose();
    expect(() => info.native).toThrow(/memory description was used after it had been disposed/);
  });
});

describe('a session', () => {
  it('runs over bound arrays, here and on a worker thread', async () => {
    const session = await openSession(squareModel());
    const info = new MemoryInfo(library, 'Cpu');
    const options = new RunOptions(library);
    const input = Float32Array.of(1, 2, 3);
    const output = new Float32Array(3);
    const binding = new IoBinding(session).bindInput('x', Value.overArray(info, input, 'f32', [3])).bindOutput('y', Value.overArray(info, output, 'f32', [3]));
    binding.run(options);
    expect([...output]).toEqual([1, 4, 9]);
    input[0] = 5;
    await binding.runAsync(options);
    expect([...output]).toEqual([25, 4, 9]);
    [binding, options, info, session].forEach((part) => part.dispose());
  });

  it('fails as cancelled once its run options were terminated, and runs again afterwards', async () => {
    const session = await openSession(squareModel());
    const info = new MemoryInfo(library, 'Cpu');
    const options = new RunOptions(library);
    const output = new Float32Array(1);
    const binding = new IoBinding(session).bindInput('x', Value.overArray(info, Float32Array.of(3), 'f32', [1])).bindOutput('y', Value.overArray(info, output, 'f32', [1]));
    options.terminate();
    await expect(binding.runAsync(options)).rejects.toMatchObject({ code: 'cancelled' });
    expect(() => binding.run(options)).toThrow(expect.objectContaining({ code: 'cancelled' }));
    options.clearTermination();
    binding.run(options);
    expect(output[0]).toBe(9);
    [binding, options, info, session].forEach((part) => part.dispose());
  });

  it('is not made once its load was cancelled', async () => {
    await expect(openSession(squareModel(), (options) => options.cancelLoad())).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('tells the provider of each node and the memory of each input and output', async () => {
    const session = await openSession(squareModel(), (options) => options.setConfig('session.record_ep_graph_assignment_info', '1'));
    expect(session.assignedNodes()).toEqual([{ name: 'y', operator: 'Mul', provider: 'CPUExecutionProvider' }]);
    expect(session.inputMemory()).toEqual({ x: 'Cpu' });
    expect(session.outputMemory()).toEqual({ y: 'Cpu' });
    session.dispose();
  });

  it('reads and writes memory by address', async () => {
    const session = await openSession(squareModel());
    const info = new MemoryInfo(library, 'Cpu');
    const options = new RunOptions(library);
    const memory = new HostMemory(library, 16);
    copyToAddress(memory.native, Float32Array.of(1, 2, 3, 4));
    const output = new Float32Array(2);
    // The second half only: a view at an offset, as rows of a KV cache are.
    const half = Value.overAddress(info, memory.native + 8n, 'f32', [2]);
    const binding = new IoBinding(session).bindInput('x', half).bindOutput('y', Value.overArray(info, output, 'f32', [2]));
    binding.run(options);
    expect([...output]).toEqual([9, 16]);
    const back = new Float32Array(4);
    copyFromAddress(back, memory.native);
    expect([...back]).toEqual([1, 2, 3, 4]);
    [binding, half, memory, options, info, session].forEach((part) => part.dispose());
  });

  it('allocates tensors and reports the bytes of its arena', async () => {
    const session = await openSession(squareModel());
    const info = new MemoryInfo(library, 'Cpu');
    const allocator = new Allocator(session, info);
    const before = allocator.stats()?.inUseBytes ?? 0;
    const tensor = Value.allocate(allocator, 'f32', [1024, 256]);
    expect(tensor.byteLength).toBe(1024 * 256 * 4);
    expect((allocator.stats()?.inUseBytes ?? 0) - before).toBeGreaterThanOrEqual(1024 * 256 * 4);
    [tensor, allocator, info, session].forEach((part) => part.dispose());
  });

  it('refuses an array of the wrong type or length', () => {
    const info = new MemoryInfo(library, 'Cpu');
    expect(() => Value.overArray(info, new Float32Array(3), 'f32', [2, 2])).toThrow(/needs 4 elements/);
    expect(() => Value.overArray(info, new Int32Array(4), 'f32', [2, 2])).toThrow(/Int32Array/);
    info.dispose();
  });
});

describe('library handles', () => {
  it('survive a collection of garbage between two calls', async () => {
    // koffi unloads a library whose handle is collected; what was bound later then pointed into nothing.
    const { setFlagsFromString } = await import('node:v8');
    const { runInNewContext } = await import('node:vm');
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    for (let round = 0; round < 3; round += 1) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(library.call('GetBuildInfoString')).toMatch(/ORT Build Info/);
  });
});
