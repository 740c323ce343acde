import { describe, expect, it } from 'vitest';
import type { Profile } from '../../../src/common/profile';
import { fakeProfile } from '../../fakes/fakeProfile';
import { profileSchemaErrors } from '../../fakes/publishedSchemas';

type Loose = Record<string, unknown>;
const edited = (edit: (value: Loose, generation: Loose, operators: Loose) => void): Loose => {
  const value = JSON.parse(JSON.stringify(fakeProfile())) as Loose & { generations: Loose[]; operators: Loose[] };
  edit(value, value.generations[0]!, value.operators[0]!);
  return value;
};

describe('the published schema of a profile', () => {
  it('accepts what is saved, with and without its optional parts', () => {
    expect(profileSchemaErrors(fakeProfile())).toEqual([]);
    expect(profileSchemaErrors(fakeProfile({ placement: undefined, forecast: undefined, operators: [], generations: [], telemetry: [] } satisfies Partial<Profile>))).toEqual([]);
    expect(profileSchemaErrors(edited((value) => (value.addedLater = 1)))).toEqual([]);
  });

  it.each<[string, Loose]>([
    ["must have required property 'telemetry'", edited((value) => delete value.telemetry)],
    ['/schema must be equal to constant', edited((value) => (value.schema = 'glm-local.profile/2'))],
    ['/startedAtMs must be number', edited((value) => (value.startedAtMs = 'now'))],
    ['/generations/0/totalMs must be >= 0', edited((_value, generation) => (generation.totalMs = -1))],
    ['/generations/0/spans/1/kind must be equal to one of the allowed values', edited((_value, generation) => ((generation.spans as Loose[])[1]!.kind = 'sleep'))],
    ['/operators/0/tokens must be integer', edited((_value, _generation, operators) => (operators.tokens = 0.5))],
    ['/operators/0/nodes/0/device must match pattern', edited((_value, _generation, operators) => ((operators.nodes as Loose[])[0]!.device = '<img>'))],
    ['/environment/cpu must be string', edited((value) => (value.environment = { cpu: 4 }))],
  ])('refuses a damaged one: %s', (message, damaged) => {
    expect(profileSchemaErrors(damaged).join('\n')).toContain(message);
  });
});
