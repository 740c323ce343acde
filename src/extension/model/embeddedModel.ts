/** The small model that ships with the extension, so that the first answer needs no download. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Folders below the extension's own, best first. The last is what a checkout without a trained model has: random weights, for tests. */
const candidates = ['models/glm-local-demo-chat', 'models/tiny-glm4', 'test/fixtures/checkpoints/tiny-glm4'];

/** Undefined when a partial checkout holds none. */
export function findEmbeddedModel(extensionFolder: string): string | undefined {
  return candidates.map((name) => join(extensionFolder, name)).find((folder) => existsSync(join(folder, 'config.json')));
}
