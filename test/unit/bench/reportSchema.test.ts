import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseReport } from '../../../src/bench/report/parseReport';
import { reportSchema } from '../../../src/bench/report/schema';
import { toJson } from '../../../src/bench/report/writers';
import { summarize } from '../../../src/bench/statistics';
import { benchmarkReport } from '../../fakes/benchmarkReport';
import { reportSchemaErrors } from '../../fakes/publishedSchemas';
import { spoiledDocument } from '../../fakes/spoiledDocument';

type Json = Record<string, unknown>;
const [first, ...others] = benchmarkReport().cases;
/** With every part that a report may have. */
const text = toJson(
  benchmarkReport({
    cases: [
      {
        ...first!,
        energy: { joulesPerToken: 2, averageWatts: 100, seconds: 3, readings: 20 },
        quality: { text: 'prose', perplexity: 4, scoredTokens: 100, textHash: 'ab', tokenAgreement: 0.9, perplexityRatio: 1.1 },
        setup: ['torch 2'],
        endedBy: 'cancelled',
      },
      ...others,
    ],
    alignment: [{ kind: 'kv-cache-on-cpu', tensor: 'kv', label: 'KV cache on cpu', bytesPerToken: 4096, alignedTokensPerSecond: 100, misalignedTokensPerSecond: 80, costMsPerToken: 2.5, isSignificant: true, simulated: true }],
  }),
);
const edited = (edit: (value: Json, firstCase: Json) => void): Json => {
  const value = JSON.parse(text) as Json & { cases: Json[] };
  edit(value, value.cases[0]!);
  return value;
};

describe('the published schema of a benchmark report', () => {
  const schema = JSON.parse(readFileSync('docs/schemas/benchmark-report-1.schema.json', 'utf8')) as { $schema: string; $id: string; title: string; properties: Json; definitions: Record<string, { properties?: Json }> };

  it('says what it is, and of each field what it holds', () => {
    expect(schema.$schema).toBe('http://json-schema.org/draft-07/schema#');
    expect(schema.$id).toMatch(/^https:.*\/docs\/schemas\/benchmark-report-1\.schema\.json$/);
    expect(schema.title).toContain('version 1');
    expect(schema.properties.schema).toMatchObject({ const: reportSchema });
    const undescribed = Object.entries({ ...schema.definitions, BenchmarkReport: schema }).flatMap(([name, { properties = {} }]) =>
      Object.entries(properties).flatMap(([field, property]) => ((property as { description?: string }).description === undefined ? [`${name}.${field}`] : [])),
    );
    expect(undescribed).toEqual([]);
  });

  it('accepts every report that is kept with the documentation', () => {
    const files = readdirSync('docs/reports', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.json'));
    expect(files.length).toBeGreaterThan(10);
    files.forEach((file) => expect([file, ...reportSchemaErrors(JSON.parse(readFileSync(join('docs/reports', file), 'utf8')))]).toEqual([file]));
  });

  it('accepts what is written, fields of a later version of the product and an infinite spread too', () => {
    expect(reportSchemaErrors(JSON.parse(text))).toEqual([]);
    expect(reportSchemaErrors(edited((value) => (value.addedLater = { any: 1 })))).toEqual([]);
    const spread = summarize([0, 0, 0, 1, 1]);
    expect(spread.relativeSpread).toBe(Infinity);
    expect(reportSchemaErrors(edited((_value, first) => (first.summaries = { tpotMs: spread })))).toEqual([]);
  });

  it.each<[string, Json]>([
    ["must have required property 'environment'", edited((value) => delete value.environment)],
    ["/cases/0/samples/0 must have required property 'itlMs'", edited((_value, first) => delete (first.samples as Json[])[0]!.itlMs)],
    ['/cases/0/samples must NOT have fewer than 1 items', edited((_value, first) => (first.samples = []))],
    ['/schema must be equal to constant', edited((value) => (value.schema = 'glm-local-bench/2'))],
    ['/elapsedMs must be number', edited((value) => (value.elapsedMs = '12'))],
    ['/elapsedMs must be >= 0', edited((value) => (value.elapsedMs = -1))],
    ['/startedAt must match pattern', edited((value) => (value.startedAt = '1 January 2026'))],
    ['/cases/0/rules/promptTokens must be integer', edited((_value, first) => ((first.rules as Json).promptTokens = 1.5))],
    ['/cases/0/rules/eosIgnored must be equal to constant', edited((_value, first) => ((first.rules as Json).eosIgnored = false))],
    ['/cases/0/summaries/tpotMs/median must be number', edited((_value, first) => ((first.summaries as Record<string, Json>).tpotMs!.median = null))],
    ['/environment/devices/0/kind must be equal to one of the allowed values', edited((value) => ((value.environment as { devices: Json[] }).devices[0]!.kind = 'tpu'))],
  ])('refuses a damaged one: %s', (message, damaged) => {
    expect(reportSchemaErrors(damaged).join('\n')).toContain(message);
  });

  it('accepts nothing that our own reader refuses, whatever stands in a place of the file', () => {
    let accepted = 0;
    fc.assert(
      fc.property(spoiledDocument(text), (spoiled) => {
        const errors = reportSchemaErrors(JSON.parse(spoiled));
        // The reader also refuses numbers that a double does not hold exactly; JSON Schema leaves their size open.
        if (errors.length === 0 && !/\d{16}|e\+?\d{2}/i.test(spoiled)) {
          accepted += 1;
          parseReport('a.json', spoiled);
        }
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(5);
  });
});
