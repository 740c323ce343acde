import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { profileSchema } from '../../../src/common/profile';
import { parseProfile, ProfileFormatError } from '../../../src/profiling/parseProfile';
import { fakeProfile } from '../../fakes/fakeProfile';
import { spoiledDocument } from '../../fakes/spoiledDocument';

const text = JSON.stringify(fakeProfile());
const edited = (edit: (value: Record<string, unknown>) => void): string => {
  const value = JSON.parse(text) as Record<string, unknown>;
  edit(value);
  return JSON.stringify(value);
};
const reasonOf = (broken: string): string => {
  try {
    parseProfile(broken, 'a.json');
  } catch (error) {
    expect(error).toBeInstanceOf(ProfileFormatError);
    return (error as ProfileFormatError).message;
  }
  throw new Error('it was accepted');
};

describe('parseProfile', () => {
  it('gives back what was written', () => {
    expect(parseProfile(text)).toEqual(JSON.parse(text));
    expect(parseProfile(JSON.stringify(fakeProfile({ placement: undefined, forecast: undefined, operators: [], generations: [], telemetry: [] })))).toMatchObject({ schema: profileSchema });
  });

  it.each([
    ['', 'it is empty'],
    [text.slice(0, text.length / 2), 'it is cut off after'],
    [text.replace('"startedAtMs":1790000000000', '"startedAtMs":NaN'), 'it holds NaN'],
    [edited((value) => (value.schema = 'glm-local.profile/0')), 'which an older GLM Local wrote'],
    ['[1, 2', 'JSON is broken'],
    ['null', 'names no schema'],
    ['[]', 'names no schema'],
    ['{"traceEvents": []}', 'names no schema'],
    [edited((value) => (value.schema = 'glm-local.profile/2')), 'schema is "glm-local.profile/2", which a newer GLM Local wrote'],
    [edited((value) => (value.startedAtMs = 'now')), 'startedAtMs is no number'],
    [edited((value) => (value.generations = {})), 'generations is no list'],
    [edited((value) => ((value.generations as { spans: { kind: string }[] }[])[0]!.spans[1]!.kind = 'sleep')), 'generations[0].spans[1].kind is none of'],
    [edited((value) => ((value.generations as { totalMs: number }[])[0]!.totalMs = -1)), 'generations[0].totalMs is negative'],
    [edited((value) => ((value.operators as { durationsUs: unknown[] }[])[1]!.durationsUs[7] = null)), 'operators[1].durationsUs[7] is no number'],
    [edited((value) => (value.operators as { durationsUs: unknown[] }[])[1]!.durationsUs.pop()), 'lists of another length'],
    [edited((value) => ((value.operators as { nodes: { device: string }[] }[])[0]!.nodes[0]!.device = '<img>')), 'nodes[0].device is no device'],
    [edited((value) => ((value.forecast as { maxBatch: number }).maxBatch = 1.5)), 'forecast.maxBatch is no whole number'],
    [edited((value) => (value.environment = { cpu: 4 })), 'environment.cpu is no text'],
    [text.replace('"startedAtMs":1790000000000', '"startedAtMs":1e999'), 'startedAtMs is no number'],
    [edited((value) => delete value.telemetry), 'telemetry is no list'],
    ['['.repeat(200_000), 'JSON is broken'],
  ])('names what is wrong', (broken, reason) => {
    expect(reasonOf(broken)).toContain(reason);
    expect(reasonOf(broken)).toContain('a.json');
  });

  it('takes nothing from what every object inherits', () => {
    const polluted = `{"__proto__": ${text}}`;
    expect(reasonOf(polluted)).toContain('names no schema');
  });

  it('either reads or refuses with its own error, whatever is put in a place of the document', () => {
    fc.assert(
      fc.property(spoiledDocument(text, { mostPlaces: 30 }), (spoiled) => {
        try {
          expect(parseProfile(spoiled).schema).toBe(profileSchema);
        } catch (error) {
          expect(error).toMatchObject({ code: 'profile-format' });
        }
      }),
      { numRuns: 500 },
    );
  });
});
