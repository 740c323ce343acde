import { describe, expect, it } from 'vitest';
import { statusText } from '../../../../src/extension/status/statusText';
import { fakeLoadedModel } from '../../../fakes/fakeEngine';

const error = { code: 'engine-lost', name: 'E', message: 'The engine process was ended by signal 9.', fields: {}, next: [] };

describe('statusText', () => {
  it('shows the model and its speed', () => {
    expect(statusText({ kind: 'ready', model: fakeLoadedModel }, 147.6).text).toContain('fake-glm4 · 148 tok/s');
    expect(statusText({ kind: 'ready', model: fakeLoadedModel }, undefined).text).not.toContain('tok/s');
  });

  it('shows load progress in percent, and none before there is any', () => {
    expect(statusText({ kind: 'loading', name: 'm', progress: { phase: 'packing', doneBytes: 512, totalBytes: 1024 } }, undefined)).toMatchObject({ text: expect.stringContaining('m 50 %') as string, tooltip: expect.stringContaining('512 B of 1.0 KiB') as string });
    expect(statusText({ kind: 'loading', name: 'm' }, undefined).text).not.toContain('%');
  });

  it('warns of an engine that is lost or silent', () => {
    expect(statusText({ kind: 'ready', model: fakeLoadedModel, notRespondingForMs: 5000 }, 10)).toMatchObject({ isWarning: true, text: expect.stringContaining('not responding') as string });
    expect(statusText({ kind: 'lost', name: 'm', error }, 10)).toMatchObject({ isWarning: true, tooltip: expect.stringContaining('signal 9') as string });
  });
});
