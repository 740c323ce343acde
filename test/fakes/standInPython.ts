/** An executable that stands in for the user's Python: it reads the spec it is given and prints what the transformers script prints. */

import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** `good` measures both variants; the others fail in one way each. */
export type StandInManner = 'good' | 'no-torch' | 'compile-fails' | 'compile-hangs' | 'crashes' | 'stops-early';

/** @returns the path of the executable, to be named as Python. */
export function writeStandInPython(folder: string, manner: StandInManner): string {
  const path = join(folder, `python-${manner}`);
  writeFileSync(
    path,
    `#!${process.execPath}
const fs = require('node:fs');
const [, , unbuffered, script, specPath] = process.argv;
if (unbuffered !== '-u' || !fs.readFileSync(script, 'utf8').includes('model.generate(')) process.exit(3);
const spec = JSON.parse(fs.readFileSync(specPath, 'utf8'));
const manner = ${JSON.stringify(manner)};
const tell = (event, fields) => process.stdout.write('@glm-local ' + JSON.stringify({ event, ...fields }) + '\\n');
process.stdout.write('a library says hello\\n@glm-local {broken\\n');
if (manner === 'no-torch') { tell('failed', { reason: "No module named 'torch'" }); process.exit(0); }
tell('ready', { python: '3.12.1', torch: '2.11.0', transformers: '5.17.0', device: 'cpu', deviceName: 'cpu', threads: 2, attention: 'sdpa', loadMs: 1 });
for (const variant of spec.variants) {
  const warmups = variant === 'compiled' ? 3 : spec.warmupRuns;
  tell('warming', { variant, warmupRuns: warmups });
  if (variant === 'compiled' && manner === 'compile-fails') { tell('variant-failed', { variant, reason: 'BackendCompilerFailed: no compiler' }); continue; }
  if (variant === 'compiled' && manner === 'compile-hangs') { setInterval(() => {}, 1000); break; }
  for (const { name, promptIds, newTokens } of spec.cases) {
    for (let run = 0; run < warmups + spec.repetitions; run += 1) {
      if (run === warmups) tell('warm', { variant, warmingMs: 1500, isCompiled: variant === 'compiled' });
      const count = manner === 'stops-early' ? newTokens - 1 : newTokens;
      const step = variant === 'compiled' ? 2 : 10;
      tell('run', { variant, case: name, isCounted: run >= warmups, tokenTimesMs: Array.from({ length: count }, (_, i) => promptIds.length + i * step), totalMs: 100, generatedTokens: count, peakMemoryBytes: { cpu: 1000 } });
      if (manner === 'crashes' && run === warmups + 1) { process.stderr.write('CUDA error: device lost\\n'); process.exit(1); }
    }
  }
}
if (manner !== 'compile-hangs') tell('end', {});
`,
  );
  chmodSync(path, 0o755);
  return path;
}
