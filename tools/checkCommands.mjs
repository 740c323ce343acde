// Compares commands: every one in package.json is registered, every registered one is in package.json, and every one that is named anywhere exists.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { contributes } = manifest;

function* sources(folder) {
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true, recursive: true })) {
    if (entry.isFile() && /\.tsx?$/.test(entry.name)) {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      yield { path: relative(root, path), text: readFileSync(path, 'utf8') };
    }
  }
}

const declared = new Set(contributes.commands.map(({ command }) => command));
const registered = new Map();
const named = [];
for (const { path, text } of [...sources('src'), ...sources('webview')]) {
  for (const [, id] of text.matchAll(/\bregister(?:TextEditor)?Command\(\s*(?:[\w.]+,\s*)?['"`](glm\.[\w.]+)['"`]/g)) {
    registered.set(id, path);
  }
  for (const match of text.matchAll(/\bcommand: ['"`](glm\.[\w.]+)['"`]|executeCommand\(\s*['"`](glm\.[\w.]+)['"`]/g)) {
    named.push([match[1] ?? match[2], path]);
  }
}
const text = JSON.stringify(contributes);
for (const [, id] of [...text.matchAll(/"command":"(glm\.[\w.]+)"/g), ...text.matchAll(/command:(glm\.[\w.]+)/g), ...text.matchAll(/onCommand:(glm\.[\w.]+)/g)]) {
  named.push([id, 'package.json']);
}

const views = new Set(Object.values(contributes.views).flatMap((list) => list.map(({ id }) => id)));
const problems = [
  ...[...declared].filter((id) => !registered.has(id)).map((id) => `${id} is in package.json but nothing registers it`),
  ...[...registered].filter(([id]) => !declared.has(id)).map(([id, path]) => `${id} is registered in ${path} but is not in package.json`),
  ...named.filter(([id]) => !declared.has(id) && !views.has(id.replace(/\.focus$/, ''))).map(([id, path]) => `${id} is named in ${path} but does not exist`),
  ...contributes.commands.filter(({ category }) => category !== 'GLM').map(({ command }) => `${command} lacks the category GLM`),
];
process.stdout.write(problems.length === 0 ? `${declared.size} commands are declared and registered\n` : `${[...new Set(problems)].join('\n')}\n`);
process.exit(problems.length === 0 ? 0 : 1);
