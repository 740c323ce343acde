import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { tryParseBytes } from '../../../../src/common/byteParse';
import { optionSettingNames, readLoadOptions, readSettings } from '../../../../src/extension/settings/settings';

const reader = (values: Record<string, unknown>) => (name: string): unknown => values[name];
const load = (values: Record<string, unknown>) => readLoadOptions(reader(values), '/models/m', '/cache');

interface Property {
  readonly default: unknown;
  readonly scope: string;
}
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as { contributes: { configuration: { properties: Record<string, Property> }[] } };
const properties = Object.assign({}, ...manifest.contributes.configuration.map((group) => group.properties)) as Record<string, Property>;

describe('readSettings', () => {
  it('falls back to the defaults that package.json declares', () => {
    const fromManifest = readSettings((name) => properties[`glm.${name}`]?.default);
    expect(readSettings(reader({}))).toEqual(fromManifest);
  });

  it('keeps numbers inside their bounds and ignores values of the wrong type', () => {
    const settings = readSettings(reader({ telemetryIntervalMs: 5, 'sampling.temperature': 'hot', idleUnloadMinutes: 2, stopStrings: ['a', 1, ''] }));
    expect(settings.telemetryIntervalMs).toBe(200);
    expect(settings.options.temperature).toBe(0.7);
    expect(settings.idleUnloadMs).toBe(120_000);
    expect(settings.options.stopStrings).toEqual(['a']);
  });

  it('writes options back to settings that exist', () => {
    for (const name of Object.values(optionSettingNames)) {
      expect(Object.keys(properties)).toContain(`glm.${name}`);
    }
  });

  it('reads every setting of libraries and folders from the machine only', () => {
    for (const name of ['glm.cacheFolder', 'glm.ortLibrary', 'glm.cudaLibraryFolders']) {
      expect(properties[name]?.scope).toBe('machine');
    }
  });
});

describe('readLoadOptions', () => {
  it('asks for automatic choices by default', () => {
    expect(load({})).toEqual({
      source: '/models/m',
      provider: 'auto',
      weights: 'auto',
      kvCache: 'auto',
      maxBatch: 1,
      deviceMap: { kind: 'auto' },
      allowSoftwareGpu: false,
      cacheFolder: '/cache',
      alignment: 'autoFix',
    });
  });

  it('takes device maps in all their forms', () => {
    expect(load({ deviceMap: 'balanced' }).deviceMap).toEqual({ kind: 'balanced' });
    expect(load({ deviceMap: 'cuda' }).deviceMap).toEqual({ kind: 'single', device: 'cuda:0' });
    expect(load({ deviceMap: { 'model.layers.0-19': 'cuda:0', lm_head: 1 } }).deviceMap).toEqual({ kind: 'map', map: { 'model.layers.0-19': 'cuda:0', lm_head: 1 } });
  });

  it('names the setting it cannot understand, with a way to open it', () => {
    expect(() => load({ deviceMap: 'gpu7' })).toThrow(expect.objectContaining({ code: 'bad-setting', fields: { setting: 'glm.deviceMap' }, next: [expect.objectContaining({ args: ['glm.deviceMap'] })] }));
    expect(() => load({ maxMemory: { 'cuda:0': 'lots' } })).toThrow(/glm\.maxMemory.*lots/);
    expect(() => load({ includeDevices: ['gpu'] })).toThrow(/glm\.includeDevices/);
  });

  it('reads sizes and device indices as accelerate writes them', () => {
    expect(load({ maxMemory: { 0: '20GiB', cpu: '1.5 GB' } }).maxMemoryBytes).toEqual({ 'cuda:0': 20 * 1024 ** 3, cpu: 1_500_000_000 });
  });
});

describe('tryParseBytes', () => {
  it.each([
    ['512', 512],
    ['1k', 1024],
    ['2 MiB', 2 * 1024 ** 2],
    ['0.5tb', 500_000_000_000],
    ['GiB', undefined],
    ['-1', undefined],
    ['3 bananas', undefined],
  ])('reads %s', (text, bytes) => {
    expect(tryParseBytes(text)).toBe(bytes);
  });

  it('reads a device map from the file that the setting names, and says what is wrong with it', () => {
    const loadWith = (text: string | undefined) => readLoadOptions(reader({ deviceMap: 'maps/two.json' }), '/models/m', '/cache', (name) => (text === undefined ? undefined : { path: `/project/${name}`, text })).deviceMap;
    expect(loadWith('{"model.layers.0-1": "cuda:0", "model.layers.2": "cpu"}')).toEqual({ kind: 'map', map: { 'model.layers.0-1': 'cuda:0', 'model.layers.2': 'cpu' }, file: '/project/maps/two.json' });
    expect(() => loadWith(undefined)).toThrow(/glm\.deviceMap holds "maps\/two\.json", which cannot be understood\. It takes a file that can be read/);
    expect(() => loadWith('[]')).toThrow(/that file holds no JSON object/);
  });
});
