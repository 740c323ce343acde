import { describe, expect, it } from 'vitest';
import { GlmError } from '../../../../src/common/errors';
import type { EngineContract } from '../../../../src/common/protocol/engine';
import { EngineSupervisor, type EngineState, type SupervisorOptions } from '../../../../src/engine/client/engineSupervisor';
import { startEngine } from '../../../../src/engine/client/startEngine';
import { FakeChild } from '../../../fakes/fakeChild';
import { FakeClock } from '../../../fakes/fakeClock';
import { fakeEngineHandlers, fakeGenerate, fakeLoadOptions, type FakeEngineBehaviour } from '../../../fakes/fakeEngine';

function supervise(behaviours: readonly FakeEngineBehaviour[] = [{}], options: Partial<SupervisorOptions> = {}) {
  const children: FakeChild<EngineContract>[] = [];
  const clock = new FakeClock();
  const supervisor = new EngineSupervisor({
    clock,
    start: () => {
      const child = new FakeChild<EngineContract>(fakeEngineHandlers(behaviours[Math.min(children.length, behaviours.length - 1)]));
      children.push(child);
      return startEngine({ workerPath: 'unused', fork: () => child, clock });
    },
    ...options,
  });
  const kinds: EngineState['kind'][] = [];
  supervisor.onStateChange((state) => kinds.at(-1) === state.kind || kinds.push(state.kind));
  return { supervisor, children, clock, kinds };
}

async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns += 1) {
    if (turns > 1000) {
      throw new Error('The condition never came true.');
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('EngineSupervisor', () => {
  it('loads with progress, generates and unloads, ending the process', async () => {
    const { supervisor, children, kinds } = supervise();
    const seen: number[] = [];
    supervisor.onStateChange((state) => state.kind === 'loading' && state.progress && seen.push(state.progress.doneBytes));
    await supervisor.load(fakeLoadOptions);
    expect((await supervisor.generate(fakeGenerate, {})).text).toBe('Hello, world');
    await supervisor.unload();
    expect(kinds).toEqual(['loading', 'ready', 'none']);
    expect(seen).toEqual([250, 500, 750, 1000]);
    expect(children[0]?.isEnded).toBe(true);
  });

  it('ends the process of a load that failed and keeps the error', async () => {
    const { supervisor, children } = supervise([{ loadError: new GlmError('checkpoint-not-found', 'No such folder.') }]);
    await expect(supervisor.load(fakeLoadOptions)).rejects.toMatchObject({ code: 'checkpoint-not-found' });
    expect(supervisor.state).toMatchObject({ kind: 'failed', error: { code: 'checkpoint-not-found' } });
    expect(children[0]?.isEnded).toBe(true);
  });

  it('leaves nothing behind when a load is cancelled', async () => {
    const controller = new AbortController();
    const { supervisor, children } = supervise([{ onLoad: () => controller.abort() }]);
    await expect(supervisor.load(fakeLoadOptions, controller.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(supervisor.state.kind).toBe('none');
    expect(children.every((child) => child.isEnded)).toBe(true);
  });

  it('ends the process of a cancelled load that does not stop by itself', async () => {
    const controller = new AbortController();
    let isLoading = false;
    const { supervisor, children, clock } = supervise([{ onLoad: () => (isLoading = true), pause: () => new Promise(() => undefined) }]);
    const load = supervisor.load(fakeLoadOptions, controller.signal).catch((error: unknown) => error);
    await until(() => isLoading);
    controller.abort();
    clock.advance(1499);
    expect(children[0]?.isEnded).toBe(false);
    clock.advance(1);
    expect(await load).toMatchObject({ code: 'cancelled' });
    expect(children[0]?.isEnded).toBe(true);
    expect(supervisor.state.kind).toBe('none');
  });

  it('lets a second load take over from the first', async () => {
    const { supervisor, children } = supervise();
    const first = supervisor.load(fakeLoadOptions).catch((error: unknown) => error);
    await until(() => children.length === 1);
    await supervisor.load({ ...fakeLoadOptions, source: '/models/other' });
    expect(await first).toMatchObject({ code: 'cancelled' });
    expect(supervisor.state).toMatchObject({ kind: 'ready', options: { source: '/models/other' } });
    expect(children.map((child) => child.isEnded)).toEqual([true, false]);
  });

  it('joins a load under way when the model is wanted', async () => {
    const { supervisor, children } = supervise();
    const loading = supervisor.load(fakeLoadOptions);
    const [first, second] = await Promise.all([supervisor.ensureLoaded(), supervisor.ensureLoaded()]);
    expect(await loading).toBe(first);
    expect(second).toBe(first);
    expect(children).toHaveLength(1);
  });

  it('refuses requests without a model, saying whether one is on its way', async () => {
    const { supervisor, children } = supervise();
    await expect(supervisor.generate(fakeGenerate, {})).rejects.toMatchObject({ code: 'no-model', message: 'No model is loaded. Choose one first.' });
    const loading = supervisor.load(fakeLoadOptions);
    await until(() => children.length === 1);
    await expect(supervisor.generate(fakeGenerate, {})).rejects.toThrow('still being loaded');
    await loading;
  });

  it('reports an engine killed in the load as lost', async () => {
    const { supervisor } = supervise([{ onLoad: (child) => child.die({ signal: 'SIGKILL' }) }]);
    await expect(supervisor.load(fakeLoadOptions)).rejects.toMatchObject({ code: 'engine-lost' });
    expect(supervisor.state.kind).toBe('lost');
  });

  it('reports an engine killed in decode as lost and reloads on demand', async () => {
    const { supervisor, children } = supervise([{ onToken: (child, index) => index === 3 && child.die({ signal: 'SIGSEGV' }) }, {}]);
    await supervisor.load(fakeLoadOptions);
    await expect(supervisor.generate(fakeGenerate, {})).rejects.toMatchObject({ code: 'engine-lost' });
    expect(supervisor.state).toMatchObject({ kind: 'lost', error: { fields: { signal: 'SIGSEGV' } } });
    await expect(supervisor.generate(fakeGenerate, {})).rejects.toMatchObject({ code: 'engine-lost' });
    await supervisor.reload();
    expect((await supervisor.generate(fakeGenerate, {})).text).toBe('Hello, world');
    expect(children).toHaveLength(2);
  });

  it('restarts by itself once, and not again before a generation has worked', async () => {
    const { supervisor, children } = supervise([{ onToken: (child) => child.die({ exitCode: 1 }) }], { restartOnce: true });
    await supervisor.load(fakeLoadOptions);
    await expect(supervisor.generate(fakeGenerate, {})).rejects.toMatchObject({ code: 'engine-lost' });
    await until(() => supervisor.state.kind === 'ready');
    expect(children).toHaveLength(2);
    await expect(supervisor.generate(fakeGenerate, {})).rejects.toMatchObject({ code: 'engine-lost' });
    await until(() => supervisor.state.kind === 'lost');
    await new Promise((resolve) => setImmediate(resolve));
    expect(children).toHaveLength(2);
  });

  it('puts an idle model away and brings it back', async () => {
    const { supervisor, children, clock } = supervise([{}], { idleUnloadMs: 60_000 });
    await supervisor.load(fakeLoadOptions);
    clock.advance(59_000);
    await supervisor.generate(fakeGenerate, {});
    clock.advance(59_000);
    expect(supervisor.state.kind).toBe('ready');
    clock.advance(1000);
    await until(() => supervisor.state.kind === 'none');
    expect(supervisor.state).toEqual({ kind: 'none', idle: true });
    expect(children[0]?.isEnded).toBe(true);
    await supervisor.ensureLoaded();
    expect(supervisor.state.kind).toBe('ready');
  });

  it('does not put a model away while it generates', async () => {
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const pauses = [Promise.resolve(), Promise.resolve(), Promise.resolve(), Promise.resolve()];
    const { supervisor, clock } = supervise([{ pause: () => pauses.pop() ?? gate }], { idleUnloadMs: 1000 });
    await supervisor.load(fakeLoadOptions);
    const running = supervisor.generate(fakeGenerate, {});
    clock.advance(10_000);
    release();
    expect((await running).stopReason).toBe('eos');
    expect(supervisor.state.kind).toBe('ready');
  });

  it('shows an engine that does not respond without ending it', async () => {
    const { supervisor, children, clock } = supervise();
    await supervisor.load(fakeLoadOptions);
    clock.advance(6000);
    expect(supervisor.state).toMatchObject({ kind: 'ready', responsive: false });
    expect(children[0]?.kills).toEqual([]);
  });

  it('unloads while generating: the generation ends as cancelled or ended, the state is none', async () => {
    const { supervisor, children } = supervise([{ pause: () => new Promise((resolve) => setTimeout(resolve, 2)) }]);
    await supervisor.load(fakeLoadOptions);
    const running = supervisor.generate(fakeGenerate, {}).catch((error: unknown) => error);
    await supervisor.unload();
    expect(await running).toMatchObject({ code: 'engine-ended' });
    expect(supervisor.state.kind).toBe('none');
    expect(children[0]?.isEnded).toBe(true);
  });
});
