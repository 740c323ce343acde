import { describe, expect, it } from 'vitest';
import type { EngineContract } from '../../../../src/common/protocol/engine';
import type { LogLevel } from '../../../../src/common/log';
import { ChildLink } from '../../../../src/engine/client/childLink';
import { EngineLostError } from '../../../../src/engine/client/engineLostError';
import { startEngine } from '../../../../src/engine/client/startEngine';
import { FakeChild } from '../../../fakes/fakeChild';
import { FakeClock } from '../../../fakes/fakeClock';
import { fakeEngineHandlers, fakeGenerate, fakeLoadOptions } from '../../../fakes/fakeEngine';

function start(handlers = fakeEngineHandlers(), memoryKills: () => number | undefined = () => undefined) {
  const child = new FakeChild<EngineContract>(handlers);
  const clock = new FakeClock();
  const logged: { level: LogLevel; message: string }[] = [];
  const link = new ChildLink<EngineContract>(child, {
    what: 'engine',
    clock,
    log: { log: (level, _tag, message) => logged.push({ level, message }) },
    readMemoryKills: memoryKills,
    silenceLimitMs: 5000,
  });
  return { child, clock, link, logged };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('ChildLink', () => {
  it('answers requests and hands on events', async () => {
    const { link } = start();
    const progress: number[] = [];
    link.on('model-load-progress', (event) => progress.push(event.doneBytes));
    expect((await link.request('model-load', fakeLoadOptions)).runtimeVersion).toBe('1.30.0');
    expect(progress).toEqual([250, 500, 750, 1000]);
  });

  it('rejects what is under way and everything later when the child dies, with code, signal and last lines', async () => {
    const { link, child } = start(fakeEngineHandlers({ onToken: (fake, index) => index === 2 && fake.die({ exitCode: 134, signal: 'SIGABRT' }) }));
    const lost: EngineLostError[] = [];
    link.onLost((error) => lost.push(error));
    child.print('terminate called after throwing std::bad_alloc');
    const failure = await link.request('generate', fakeGenerate).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(EngineLostError);
    expect(failure).toMatchObject({ code: 'engine-lost', fields: { signal: 'SIGABRT', exitCode: 134 } });
    expect((failure as Error).message).toBe('The engine process was ended by signal 6 (SIGABRT). Its last line was: terminate called after throwing std::bad_alloc');
    await expect(link.request('memory-report', {})).rejects.toBe(failure);
    expect(lost).toEqual([failure]);
    expect(link.alive).toBe(false);
  });

  it('names the error itself, not what Node prints around one that nobody caught, and the step that fits', async () => {
    const { link, child } = start();
    [
      'node:internal/modules/cjs/loader:1210',
      '  throw err;',
      '  ^',
      '',
      "Error: Cannot find module 'koffi'",
      'Require stack:',
      '- /opt/glm/dist/engineWorker.js',
      '    at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)',
      "  code: 'MODULE_NOT_FOUND',",
      '  requireStack: [',
      "    '/opt/glm/dist/engineWorker.js'",
      '  ]',
      '}',
      '',
      'Node.js v20.20.2',
    ].forEach((line) => child.print(line));
    const failure = link.request('generate', fakeGenerate).catch((error: unknown) => error);
    child.die({ exitCode: 1 });
    expect((await failure) as Error).toMatchObject({ message: "The engine process ended with exit code 1. Its last line was: Error: Cannot find module 'koffi'" });
    expect(((await failure) as EngineLostError).next.map((step) => step.label)).toEqual(['Restart and reload the model', 'Show the log']);
  });

  it('calls a SIGKILL "often memory" without evidence and "probably" with it', async () => {
    const without = start();
    const firstLoss = new Promise<EngineLostError>((resolve) => without.link.onLost(resolve));
    without.child.die({ signal: 'SIGKILL' });
    expect((await firstLoss).message).toBe('The engine process was ended by signal 9 (SIGKILL), often memory.');

    let kills = 3;
    const withEvidence = start(fakeEngineHandlers(), () => kills);
    const secondLoss = new Promise<EngineLostError>((resolve) => withEvidence.link.onLost(resolve));
    kills = 4;
    withEvidence.child.die({ signal: 'SIGKILL' });
    expect((await secondLoss).message).toContain('probably because memory ran out: the kernel counted 1 such kill in');
    expect((await secondLoss).fields.memoryKills).toBe(1);
  });

  it('does not blame memory that ran out before the child started', async () => {
    const { link, child } = start(fakeEngineHandlers(), () => 3);
    const loss = new Promise<EngineLostError>((resolve) => link.onLost(resolve));
    child.die({ signal: 'SIGKILL' });
    expect((await loss).message).toContain('often memory');
  });

  it('prefers what the child reported over its last line', async () => {
    const { link, child } = start();
    const loss = new Promise<EngineLostError>((resolve) => link.onLost(resolve));
    link.takeLogRecord({ timeMs: 0, level: 'error', tag: 'fatal', message: 'TypeError: x is not a function' });
    child.print('Node.js v20');
    child.die({ exitCode: 70 });
    expect((await loss).message).toBe('The engine process ended with exit code 70. Its last line was: TypeError: x is not a function');
  });

  it('notices silence after the limit, keeps the child, and notices that it is back', async () => {
    const { link, child, clock } = start();
    const changes: boolean[] = [];
    link.onResponsiveChange((responsive) => changes.push(responsive));
    clock.advance(5000);
    expect(changes).toEqual([]);
    clock.advance(500);
    expect(changes).toEqual([false]);
    expect(child.kills).toEqual([]);
    child.server.emit('heartbeat', { timeMs: 1 });
    await turn();
    expect(changes).toEqual([false, true]);
    expect(link.responsive).toBe(true);
  });

  it('stays responsive while heartbeats arrive', async () => {
    const { link, child, clock } = start();
    for (let second = 0; second < 20; second += 1) {
      clock.advance(1000);
      child.server.emit('heartbeat', { timeMs: second });
      await turn();
    }
    expect(link.responsive).toBe(true);
  });

  it('ends on request without calling it a loss, and twice without harm', async () => {
    const { link, child, clock } = start();
    const lost: EngineLostError[] = [];
    link.onLost((error) => lost.push(error));
    const running = link.request('generate', fakeGenerate).catch((error: unknown) => error);
    const [first, second] = await Promise.all([link.end(), link.end()]);
    expect(first).toEqual({ exitCode: 0 });
    expect(second).toEqual(first);
    expect(await running).toMatchObject({ code: 'engine-ended' });
    expect(lost).toEqual([]);
    expect(child.kills).toEqual([]);
    await turn();
    expect(clock.pendingTimers).toBe(0);
  });

  it('kills a child that does not end when asked', async () => {
    const { link, child, clock } = start();
    child.ignoresDisconnect = true;
    const end = link.end(3000);
    clock.advance(2999);
    expect(child.kills).toEqual([]);
    clock.advance(1);
    expect(await end).toEqual({ signal: 'SIGKILL' });
  });
});

describe('EngineClient.generate', () => {
  it('streams only its own generation', async () => {
    const child = new FakeChild<EngineContract>(fakeEngineHandlers());
    const client = startEngine({ workerPath: 'unused', fork: () => child, clock: new FakeClock() });
    const texts: [string, string][] = [];
    const run = (generationId: string) => client.generate({ ...fakeGenerate, generationId }, { onDelta: (delta) => texts.push([generationId, delta.generationId]) });
    const [first] = await Promise.all([run('a'), run('b')]);
    expect(first.text).toBe('Hello, world');
    expect(texts).toHaveLength(10);
    expect(texts.every(([asked, got]) => asked === got)).toBe(true);
  });

  it('resolves with the partial text when cancelled, twice too', async () => {
    const controller = new AbortController();
    const child = new FakeChild<EngineContract>(fakeEngineHandlers({ onToken: (_child, index) => index === 2 && (controller.abort(), controller.abort()) , pause: () => new Promise((resolve) => setTimeout(resolve, 5)) }));
    const client = startEngine({ workerPath: 'unused', fork: () => child, clock: new FakeClock() });
    const result = await client.generate(fakeGenerate, {}, controller.signal);
    expect(result).toMatchObject({ stopReason: 'cancelled', text: 'Hello' });
  });
});
