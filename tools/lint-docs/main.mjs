// Writes docs/rules from the rules' own files. `--check` compares instead and fails on a difference.
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const folder = join(root, 'docs/rules');
const check = process.argv.includes('--check');

const bundled = await esbuild.build({ entryPoints: [join(root, 'src/diagnostics/rulePageText.ts')], bundle: true, write: false, format: 'esm', platform: 'neutral' });
const { renderAllPages } = await import(`data:text/javascript;base64,${Buffer.from(bundled.outputFiles[0].text).toString('base64')}`);

const pages = renderAllPages();
mkdirSync(folder, { recursive: true });
const stale = readdirSync(folder).filter((name) => !pages.has(name));
const different = [...pages].filter(([name, text]) => {
  try {
    return readFileSync(join(folder, name), 'utf8') !== text;
  } catch {
    return true;
  }
});
if (check) {
  if (stale.length > 0 || different.length > 0) {
    process.stderr.write(`docs/rules is out of date (${[...stale, ...different.map(([name]) => name)].join(', ')}): run npm run docs:rules\n`);
    process.exit(1);
  }
} else {
  stale.forEach((name) => rmSync(join(folder, name)));
  different.forEach(([name, text]) => writeFileSync(join(folder, name), text));
  process.stdout.write(`${pages.size} pages, ${different.length} written, ${stale.length} removed\n`);
}
