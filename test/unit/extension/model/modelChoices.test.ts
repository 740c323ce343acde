import { describe, expect, it } from 'vitest';
import { ModelChoices, type Memory } from '../../../../src/extension/model/modelChoices';

function memoryOf(values: Record<string, unknown> = {}): Memory & { readonly values: Record<string, unknown> } {
  return {
    values,
    get: <T>(key: string) => values[key] as T | undefined,
    update: (key, value) => {
      values[key] = value;
      return Promise.resolve();
    },
  };
}

describe('ModelChoices', () => {
  it('prefers the setting, then the model used last, then the demo model', () => {
    let configured = '';
    const choices = new ModelChoices(memoryOf(), '/ext/demo', () => configured);
    expect(choices.defaultSource).toBe('/ext/demo');
    choices.remember('/models/a');
    expect(choices.defaultSource).toBe('/models/a');
    configured = 'org/name';
    expect(choices.defaultSource).toBe('org/name');
  });

  it('remembers the demo model across versions of the extension', () => {
    const memory = memoryOf();
    new ModelChoices(memory, '/ext-1.0/demo', () => '').remember('/ext-1.0/demo');
    expect(new ModelChoices(memory, '/ext-2.0/demo', () => '').defaultSource).toBe('/ext-2.0/demo');
    expect(JSON.stringify(memory.values)).not.toContain('ext-1.0');
  });

  it('lists each model once and tells refused ones apart', () => {
    const choices = new ModelChoices(memoryOf(), '/ext/demo', () => '');
    choices.remember('org/good');
    choices.setCached([
      { name: 'org/good', folder: '/hf/good', modelType: 'glm4', fileBytes: 10, supported: true },
      { name: 'org/other', folder: '/hf/other', modelType: 'glm', fileBytes: 2048, supported: true },
      { name: 'org/llama', folder: '/hf/llama', modelType: 'llama', fileBytes: 10, supported: false, problem: 'model_type llama is not supported' },
    ]);
    expect(choices.list.map((choice) => choice.source)).toEqual(['/ext/demo', 'org/good', 'org/other']);
    expect(choices.list[2]?.detail).toContain('2.0 KiB');
    expect(choices.refused.map((item) => item.name)).toEqual(['org/llama']);
  });

  it('survives memory that holds something else', () => {
    expect(new ModelChoices(memoryOf({ 'glm.recentSources': { not: 'a list' } }), undefined, () => '').list).toEqual([]);
  });
});
