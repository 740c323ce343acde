/** The JSON Schemas of docs/schemas, as somebody without this product's code would use them. */

import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';

function compiled(file: string): (document: unknown) => readonly string[] {
  let validate: ValidateFunction | undefined;
  return (document) => {
    validate ??= new Ajv({ allErrors: true, strict: true, allowUnionTypes: true }).compile(JSON.parse(readFileSync(`docs/schemas/${file}`, 'utf8')) as object);
    // What a file holds is what JSON makes of it: no undefined, no Infinity.
    validate(JSON.parse(JSON.stringify(document)));
    return (validate.errors ?? []).map(({ instancePath, message = '', params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
  };
}

/** What is wrong with a benchmark report, one text for each place; empty for a valid one. */
export const reportSchemaErrors = compiled('benchmark-report-1.schema.json');

/** As {@link reportSchemaErrors} for a profile. */
export const profileSchemaErrors = compiled('profile-1.schema.json');
