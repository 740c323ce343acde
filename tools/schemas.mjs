// Writes docs/schemas, the JSON Schemas of the saved documents, from their TypeScript types and docstrings. `--check` compares instead and fails on a difference.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createFormatter, createParser, DEFAULT_CONFIG, SchemaGenerator } from 'ts-json-schema-generator';
import ts from 'typescript';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const published = 'https://raw.githubusercontent.com/glm-local/glm-local/main/docs/schemas/';
/** The version is part of the name: the schema of a version stays when a next one is added. */
const documents = [
  { file: 'benchmark-report-1.schema.json', source: 'src/bench/report/schema.ts', type: 'BenchmarkReport', title: 'GLM Local benchmark report, version 1' },
  { file: 'profile-1.schema.json', source: 'src/common/profile.ts', type: 'Profile', title: 'GLM Local profile, version 1' },
];

const sources = documents.map(({ source }) => join(root, source));
// Only what the types need: the declarations of Node, VS Code and browsers would take most of the time.
const program = ts.createProgram(sources, {
  target: ts.ScriptTarget.ES2022,
  lib: ['lib.es2022.d.ts'],
  types: [],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  strict: true,
  noEmit: true,
});

function schemaOf({ file, source, type, title }) {
  // A reader lets fields through that it does not know: additions keep the version.
  const config = { ...DEFAULT_CONFIG, path: join(root, source), type, expose: 'export', jsDoc: 'extended', topRef: false, additionalProperties: true };
  const { $schema, ...rest } = new SchemaGenerator(program, createParser(program, config), createFormatter(config), config).createSchema(type);
  return `${JSON.stringify({ $schema, $id: published + file, title, ...rest }, null, 2)}\n`;
}

const folder = join(root, 'docs/schemas');
const check = process.argv.includes('--check');
mkdirSync(folder, { recursive: true });
for (const document of documents) {
  const path = join(folder, document.file);
  const text = schemaOf(document);
  if (!check) {
    writeFileSync(path, text);
  } else if (readFileSync(path, 'utf8') !== text) {
    process.stdout.write(`docs/schemas/${document.file} is not what the types in ${document.source} say. Run: npm run docs:schemas\n`);
    process.exitCode = 1;
  }
}
