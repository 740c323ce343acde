import { afterAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/onnx/graphBuilder';
import { addMul } from '../../../src/onnx/operators';
import { Env } from '../../../src/ort/env';
import { tryUseExactArena } from '../../../src/ort/exactArena';
import { Allocator, MemoryInfo } from '../../../src/ort/memory';
import { Session, SessionOptions } from '../../../src/ort/session';

const env = Env.open();
const { library } = env;
afterAll(() => env.dispose());

async function openSession(change: (options: SessionOptions) => Disposable | undefined): Promise<{ readonly session: Session; readonly allocator: Allocator } & Disposable> {
  const graph = new GraphBuilder('square');
  const x = graph.addInput('x', 'f32', ['n']);
  graph.addOutput(addMul(graph, 'y', x, x));
  const options = new SessionOptions(library);
  const arena = change(options);
  const session = await Session.fromBytes(env, graph.toModelBytes(), options);
  arena?.[Symbol.dispose]();
  options.dispose();
  const info = new MemoryInfo(library, 'Cpu');
  const allocator = new Allocator(session, info);
  return {
    session,
    allocator,
    [Symbol.dispose]: () => {
      allocator.dispose();
      info.dispose();
      session.dispose();
    },
  };
}

const reservedBytes = (allocator: Allocator): number => allocator.stats()?.reservedBytes ?? NaN;

describe('an exact arena', () => {
  it('grows by what is asked of it, where a session’s own takes a power of two', async () => {
    using exact = await openSession((options) => tryUseExactArena(env, options));
    using usual = await openSession(() => undefined);
    const [exactBefore, usualBefore] = [reservedBytes(exact.allocator), reservedBytes(usual.allocator)];
    exact.allocator.reserve(5_000_000);
    usual.allocator.reserve(5_000_000);
    // Pieces are multiples of 256 bytes.
    expect(reservedBytes(exact.allocator) - exactBefore).toBe(Math.ceil(5_000_000 / 256) * 256);
    expect(reservedBytes(usual.allocator) - usualBefore).toBeGreaterThanOrEqual(8 * 1024 * 1024 - 1024 * 1024);
    exact.allocator.reserve(4_000_000);
    expect(reservedBytes(exact.allocator) - exactBefore).toBe(Math.ceil(5_000_000 / 256) * 256);
    expect(exact.allocator.stats()?.inUseBytes).toBe(0);
  });

  it('belongs to one session: the next gets another, also while the first lives', async () => {
    using first = await openSession((options) => tryUseExactArena(env, options));
    first.allocator.reserve(3_000_000);
    using second = await openSession((options) => tryUseExactArena(env, options));
    expect(reservedBytes(second.allocator)).toBeLessThan(3_000_000);
    second.allocator.reserve(1_000_000);
    expect(reservedBytes(first.allocator)).toBeGreaterThanOrEqual(3_000_000);
    expect(reservedBytes(first.allocator)).toBeLessThan(4_000_000);
  });

  it('is not to be had while another session is being made with one, and can be disposed twice', () => {
    const options = new SessionOptions(library);
    const arena = tryUseExactArena(env, options);
    expect(arena).toBeDefined();
    expect(tryUseExactArena(env, options)).toBeUndefined();
    arena?.[Symbol.dispose]();
    arena?.[Symbol.dispose]();
    const next = tryUseExactArena(env, options);
    expect(next).toBeDefined();
    next?.[Symbol.dispose]();
    options.dispose();
  });
});
