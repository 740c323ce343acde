// Writes the tables of commands and settings into README.md from package.json; `--check` only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { contributes } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const file = join(root, 'README.md');
const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');

const keys = new Map(contributes.keybindings.map(({ command, key }) => [command, key.split('+').map((part) => part[0].toUpperCase() + part.slice(1)).join('+')]));
const commands = ['| Command | Key |', '|---|---|', ...contributes.commands.map(({ command, title }) => `| ${cell(title)} | ${keys.get(command) ?? ''} |`)].join('\n');

const shown = (value) => (value === null || value === '' || JSON.stringify(value) === '[]' || JSON.stringify(value) === '{}' ? '' : `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``);
const settings = [].concat(contributes.configuration).flatMap(({ title, properties }) => [
  `### ${title}`,
  '',
  '| Setting | Default | What it does |',
  '|---|---|---|',
  ...Object.entries(properties).map(([name, property]) => `| \`${name}\` | ${shown(property.default)} | ${cell((property.markdownDescription ?? property.description ?? '').replaceAll(/`#([^#`]+)#`/g, '`$1`'))} |`),
  '',
]).join('\n').trimEnd();

let text = readFileSync(file, 'utf8');
const before = text;
for (const [name, content] of Object.entries({ commands, settings })) {
  text = text.replace(new RegExp(`(<!-- ${name}: [^>]*-->)[^]*?(<!-- /${name} -->)`), (_all, start, end) => `${start}\n${content}\n${end}`);
}
if (process.argv.includes('--check')) {
  if (text !== before) {
    process.stdout.write('README.md does not list the commands and settings of package.json. Run: node tools/readmeTables.mjs\n');
    process.exit(1);
  }
} else {
  writeFileSync(file, text);
}
