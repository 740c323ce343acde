// Licences of what is bundled or carried along: the production packages and everything they need, as installed.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Text of ThirdPartyNotices.txt. */
export function thirdPartyNotices(root) {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const entries = Object.entries(lock.packages)
    .filter(([path, entry]) => path !== '' && !entry.dev && existsSync(join(root, path, 'package.json')))
    .map(([path, entry]) => {
      const folder = join(root, path);
      const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)/i.test(name) && !/\.(js|json)$/.test(name));
      const text = file === undefined ? `Licence: ${manifest.license ?? entry.license ?? 'see the package'}` : readFileSync(join(folder, file), 'utf8').trim();
      return { title: `${manifest.name} ${manifest.version}`, text };
    });
  const unique = [...new Map(entries.map((entry) => [entry.title, entry])).values()].sort((a, b) => a.title.localeCompare(b.title));
  return `GLM Local contains or uses the following packages.\n\n${unique.map(({ title, text }) => `${'='.repeat(80)}\n${title}\n${'='.repeat(80)}\n${text}\n`).join('\n')}`;
}
