// `npm run package [-- --target linux-x64 …] [--out DIR]`: one vsix for each target, built from a clean folder that holds what .vscodeignore names.
// Targets: linux-x64, linux-arm64, win32-x64, darwin-arm64; `--target all` for every one. Default: this machine's.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { thirdPartyNotices } from './thirdPartyNotices.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const allTargets = ['linux-x64', 'linux-arm64', 'win32-x64', 'darwin-arm64'];
const args = process.argv.slice(2);
const valuesOf = (name) => args.flatMap((arg, index) => (arg === name && args[index + 1] !== undefined ? [args[index + 1]] : []));
const here = `${process.platform}-${process.arch}`;
const asked = valuesOf('--target');
const targets = asked.includes('all') ? allTargets : asked.length > 0 ? asked : [here];
const unknown = targets.filter((target) => !allTargets.includes(target));
if (unknown.length > 0) {
  process.stderr.write(`No package is made for ${unknown.join(', ')}. Targets are ${allTargets.join(', ')}.\n`);
  process.exit(2);
}
const out = resolve(valuesOf('--out')[0] ?? join(root, '.cache/vsix'));

function run(command, commandArgs, options = {}) {
  const result = spawnSync(command, commandArgs, { encoding: 'utf8', ...options });
  if (result.status !== 0) {
    throw new Error(`${command} ${commandArgs.join(' ')} failed:\n${result.stdout ?? ''}${result.stderr ?? ''}`);
  }
  return result.stdout ?? '';
}

function npm(commandArgs, options) {
  const cli = process.env.npm_execpath;
  return cli ? run(process.execPath, [cli, ...commandArgs], options) : run('npm', commandArgs, { ...options, shell: process.platform === 'win32' });
}

const copy = (from, to, filter) => cpSync(join(root, from), join(to, from), { recursive: true, dereference: true, filter });

/** The native part of koffi for a target: the installed one, else from the registry at the version the lock file names. */
function copyKoffiNative(target, stage, work) {
  const name = `@koromix/koffi-${target}`;
  const to = join(stage, 'node_modules', name);
  if (existsSync(join(root, 'node_modules', name))) {
    cpSync(join(root, 'node_modules', name), to, { recursive: true, dereference: true });
  } else {
    const { version } = JSON.parse(readFileSync(join(root, 'node_modules/koffi/package.json'), 'utf8'));
    const file = npm(['pack', `${name}@${version}`, '--pack-destination', work, '--silent', '--ignore-scripts'], { cwd: work }).trim().split('\n').at(-1);
    mkdirSync(to, { recursive: true });
    run('tar', ['-xzf', join(work, file), '-C', to, '--strip-components=1']);
  }
  // Alpine's library is of no use where libonnxruntime needs glibc.
  rmSync(join(to, `musl_${target.split('-')[1]}`), { recursive: true, force: true });
}

function makePackage(target) {
  const work = mkdtempSync(join(tmpdir(), 'glm-package-'));
  try {
    const stage = join(work, 'stage');
    mkdirSync(stage);
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const { koffi, 'onnxruntime-node': runtime } = manifest.dependencies;
    // Everything else is bundled into dist/.
    manifest.dependencies = { koffi, [`@koromix/koffi-${target}`]: koffi, 'onnxruntime-node': runtime };
    delete manifest.devDependencies;
    delete manifest.allowScripts;
    delete manifest.bin;
    manifest.scripts = {};
    writeFileSync(join(stage, 'package.json'), JSON.stringify(manifest, undefined, 2));
    for (const name of ['.vscodeignore', 'README.md', 'CHANGELOG.md', 'LICENSE', 'media', 'models'].filter((entry) => existsSync(join(root, entry)))) {
      copy(name, stage);
    }
    if (!existsSync(join(stage, 'models/glm-local-demo-chat/config.json'))) {
      // Without a trained model the package still has to load something: the tests' checkpoint of random weights.
      cpSync(join(root, 'test/fixtures/checkpoints/tiny-glm4'), join(stage, 'models/tiny-glm4'), { recursive: true });
    }
    writeFileSync(join(stage, 'ThirdPartyNotices.txt'), thirdPartyNotices(root));
    run(process.execPath, [join(root, 'tools/build.mjs'), '--package', join(stage, 'dist')], { cwd: root });
    copy('node_modules/koffi', stage, (path) => !/koffi\/(doc|vendor)(\/|$)/.test(path));
    copyKoffiNative(target, stage, work);
    const [platform, arch] = target.split('-');
    const library = `node_modules/onnxruntime-node/bin/napi-v6/${platform}/${arch}`;
    copy(library, stage, (path) => !/onnxruntime_binding\.node$|libonnxruntime\.\d+\.\d+\.\d+\.dylib$/.test(path));
    // Named so that its own dependencies, which only the unused addon needs, are not asked for.
    const runtimeManifest = JSON.parse(readFileSync(join(root, 'node_modules/onnxruntime-node/package.json'), 'utf8'));
    writeFileSync(join(stage, 'node_modules/onnxruntime-node/package.json'), JSON.stringify({ name: 'onnxruntime-node', version: runtimeManifest.version, license: runtimeManifest.license }));
    const koffiManifest = join(stage, 'node_modules/koffi/package.json');
    const { optionalDependencies: _optional, scripts: _scripts, ...rest } = JSON.parse(readFileSync(koffiManifest, 'utf8'));
    writeFileSync(koffiManifest, JSON.stringify(rest));

    mkdirSync(out, { recursive: true });
    const file = join(out, `glm-local-${manifest.version}-${target}.vsix`);
    run(process.execPath, [join(root, 'node_modules/@vscode/vsce/vsce'), 'package', '--target', target, '--out', file, '--skip-license'], { cwd: stage, env: { ...process.env, NODE_NO_WARNINGS: '1' } });
    return { target, file, bytes: statSync(file).size, parts: parts(stage) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Bytes by part before compression, for the table in docs/packaging.md. */
function parts(stage) {
  const sums = new Map();
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        walk(path);
      } else {
        const names = relative(stage, path).split(/[\\/]/);
        const part = names[0] === 'node_modules' ? names.slice(0, names[1]?.startsWith('@') ? 3 : 2).join('/') : names.length > 1 ? names[0] : 'other';
        sums.set(part, (sums.get(part) ?? 0) + statSync(path).size);
      }
    }
  };
  walk(stage);
  return [...sums].sort((a, b) => b[1] - a[1]);
}

const mib = (bytes) => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
for (const target of targets) {
  const { file, bytes, parts: list } = makePackage(target);
  process.stdout.write(`${relative(process.cwd(), file)}: ${mib(bytes)}\n${list.map(([part, size]) => `  ${part}: ${mib(size)} before compression\n`).join('')}`);
}
