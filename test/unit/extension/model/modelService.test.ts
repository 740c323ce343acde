import { describe, expect, it } from 'vitest';
import { cpuDevice } from '../../../../src/common/deviceId';
import { makeChat } from '../support';
import { sourceName } from '../../../../src/extension/model/modelService';

describe('ModelService', () => {
  it('tells loading with progress, then ready with memory, then nothing after an unload', async () => {
    const { model } = makeChat();
    const kinds: string[] = [];
    model.onState.on((state) => {
      const line = state.kind === 'loading' && state.progress !== undefined ? `loading ${state.progress.doneBytes}` : state.kind;
      if (kinds.at(-1) !== line) {
        kinds.push(line);
      }
    });
    await model.load('/models/fake-glm4');
    expect(model.memory).toEqual([{ device: cpuDevice, weightBytes: 1000, kvBytes: 100, stagingBytes: 0 }]);
    await model.unload();
    expect(kinds).toEqual(['loading', 'loading 250', 'loading 500', 'loading 750', 'loading 1000', 'ready', 'none']);
    expect(model.memory).toEqual([]);
  });

  it('lets a question wait for a load that is under way instead of loading twice', async () => {
    const { model, children } = makeChat();
    const load = model.load('/models/fake-glm4');
    const ready = await model.ensureReady(new AbortController().signal);
    expect(ready).toEqual(await load);
    expect(children).toHaveLength(1);
  });

  it('leaves the load running when only the question that waits is cancelled', async () => {
    const { model } = makeChat();
    const load = model.load('/models/fake-glm4');
    const controller = new AbortController();
    const waiting = model.ensureReady(controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
    await load;
    expect(model.state.kind).toBe('ready');
  });

  it('cancels a load and ends its process', async () => {
    const { model, children } = makeChat();
    const load = model.load('/models/fake-glm4');
    await new Promise((resolve) => setImmediate(resolve));
    model.cancelLoad();
    await expect(load).rejects.toMatchObject({ code: 'cancelled' });
    expect(model.state.kind).toBe('none');
    expect(children.every((child) => child.isEnded)).toBe(true);
  });

  it('shows which setting cannot be understood instead of how an earlier load ended, until one can', async () => {
    let isWrong = false;
    const { model } = makeChat({}, { readSetting: (name) => (name === 'deviceMap' && isWrong ? 7 : undefined) });
    isWrong = true;
    const told: string[] = [];
    model.onState.on((state) => told.push(state.kind === 'failed' ? `${state.name}: ${state.error.code}` : state.kind));
    await expect(model.load('/models/fake-glm4')).rejects.toMatchObject({ code: 'bad-setting' });
    expect(told).toEqual(['fake-glm4: bad-setting']);
    expect(model.state.kind).toBe('failed');
    isWrong = false;
    await model.load('/models/fake-glm4');
    expect(model.state.kind).toBe('ready');
    isWrong = true;
    await expect(model.reload()).rejects.toMatchObject({ code: 'bad-setting' });
    // What is loaded still answers.
    expect(model.state.kind).toBe('ready');
  });

  it('restarts once by itself, and a question waits for that', async () => {
    const { model, children } = makeChat({}, { restartOnce: true });
    await model.load('/models/fake-glm4');
    children[0]?.die({ signal: 'SIGSEGV' });
    await model.ensureReady(new AbortController().signal);
    expect(children).toHaveLength(2);
    expect(model.state.kind).toBe('ready');
  });

  it('shows an alignment cause once, and not again after it was dismissed', async () => {
    const { model, children } = makeChat();
    await model.load('/models/fake-glm4');
    const message = { kind: 'host-bound-inputs', key: 'k', message: 'input_ids is on cpu', state: 'found', next: [] } as const;
    for (const state of ['found', 'fixed'] as const) {
      children[0]?.server.emit('alignment-message', { ...message, state });
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(model.alignmentMessages).toMatchObject([{ key: 'k', state: 'fixed' }]);
    model.dismissAlignment('k');
    expect(model.alignmentMessages).toEqual([]);
  });

  it('takes back a message whose cause is gone', async () => {
    const { model, children } = makeChat();
    await model.load('/models/fake-glm4');
    for (const key of ['a', 'b']) {
      children[0]?.server.emit('alignment-message', { kind: 'memory-taken', key, message: 'taken', state: 'found', next: [] });
    }
    children[0]?.server.emit('alignment-resolved', { keys: ['a'] });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(model.alignmentMessages.map(({ key }) => key)).toEqual(['b']);
  });
});

describe('sourceName', () => {
  it('names a checkpoint by the last part of its folder or repository', () => {
    expect(sourceName('THUDM/GLM-4-9B-0414')).toBe('GLM-4-9B-0414');
    expect(sourceName('/data/models/glm-edge-1.5b-chat/')).toBe('glm-edge-1.5b-chat');
  });
});
