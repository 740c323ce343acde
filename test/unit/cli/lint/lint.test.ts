import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { JsonFinding } from '../../../../src/cli/lint/formats';
import { runFakeCli, type CliRun } from '../../../fakes/fakeCli';

const bad = `import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
tok = AutoTokenizer.from_pretrained("m")
model = AutoModelForCausalLM.from_pretrained("m", device_map="auto")
inputs = tok("Hi", return_tensors="pt").to("cuda")
model.generate(**inputs)
model.to("cuda")
`;
const good = 'print("nothing to see")\n';
const notebook = JSON.stringify({ cells: [{ cell_type: 'markdown', source: ['# Title'] }, { cell_type: 'code', source: bad.split(/(?<=\n)/) }], metadata: {}, nbformat: 4, nbformat_minor: 5 }, undefined, 1);

let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'glm-lint-'));
  vi.spyOn(process, 'cwd').mockReturnValue(folder);
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(folder, { recursive: true });
});

function put(files: Readonly<Record<string, string | Uint8Array>>): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
}

const read = (name: string): string => readFileSync(join(folder, name), 'utf8');
const lint = (...args: readonly string[]): Promise<CliRun> => runFakeCli(['lint', ...args.map((arg) => (arg.startsWith('-') || /^[\w-]+$/.test(arg) || arg.includes(',') ? arg : join(folder, arg)))]);
const findings = (run: CliRun): readonly JsonFinding[] => JSON.parse(run.stdout) as readonly JsonFinding[];
const rulesOf = (run: CliRun): readonly string[] => findings(run).map((finding) => finding.rule);

describe('glm lint', () => {
  it('prints findings as a list of JSON with positions from 1, and ends with 1', async () => {
    put({ 'a.py': bad });
    const run = await lint('./a.py', '--format', 'json');
    expect(run.code).toBe(1);
    expect(findings(run)[0]).toMatchObject({
      file: join(folder, 'a.py'),
      line: 5,
      column: 10,
      endLine: 5,
      endColumn: 51,
      rule: 'GLM103',
      severity: 'information',
      fix: { safety: 'safe', edits: [{ line: 5, column: 44, endLine: 5, endColumn: 50, text: 'model.device' }] },
    });
    expect(findings(run)[0]).not.toHaveProperty('cell');
    expect(rulesOf(run)).toEqual(['GLM103', 'GLM104']);
  });

  it('counts the cells of a notebook from 0, markdown included', async () => {
    put({ 'n.ipynb': notebook });
    expect(findings(await lint('./n.ipynb', '--format', 'json')).map(({ cell, line, rule }) => ({ cell, line, rule }))).toEqual([
      { cell: 1, line: 5, rule: 'GLM103' },
      { cell: 1, line: 7, rule: 'GLM104' },
    ]);
  });

  it('ends with 0 for clean files and with 2 for wrong usage', async () => {
    put({ 'a.py': good });
    expect((await lint('./a.py')).code).toBe(0);
    expect(JSON.parse((await lint('./a.py', '--format', 'json')).stdout)).toEqual([]);
    expect((await lint('./missing.py')).code).toBe(2);
    expect((await lint('./a.py', '--format', 'xml')).code).toBe(2);
    expect((await lint('./a.py', '--select', 'GLM999')).code).toBe(2);
    expect((await runFakeCli(['lint'])).code).toBe(2);
  });

  it('walks folders, but not into environments, caches and hidden folders', async () => {
    put({ 'src/a.py': bad, 'src/b.txt': bad, '.venv/lib/x.py': bad, 'node_modules/y.py': bad, '__pycache__/z.py': bad, 'src/.hidden/w.py': bad });
    const run = await lint('./', '--format', 'json');
    expect(new Set(findings(run).map((finding) => finding.file))).toEqual(new Set([join(folder, 'src/a.py')]));
  });

  it('applies safe fixes with --fix, the others only when told', async () => {
    put({ 'a.py': bad, 'n.ipynb': notebook });
    const run = await lint('./a.py', './n.ipynb', '--fix', '--format', 'json');
    expect(read('a.py')).toBe(bad.replace('.to("cuda")', '.to(model.device)'));
    expect(read('n.ipynb')).toBe(notebook.replace('.to(\\"cuda\\")', '.to(model.device)'));
    expect(rulesOf(run)).toEqual(['GLM104', 'GLM104']);
    expect((await lint('./a.py', '--fix', '--unsafe-fixes')).code).toBe(0);
    expect(read('a.py')).toBe(bad.replace('.to("cuda")', '.to(model.device)').replace('model.to("cuda")', 'model'));
  });

  it('reads [tool.glm] of the nearest pyproject.toml', async () => {
    put({ 'a.py': bad, 'b/skip.py': bad, 'pyproject.toml': '[tool.glm]\nignore = ["GLM104"]\nexclude = ["b"]\n[tool.glm.severity]\nhard-coded-device = "error"\n' });
    const run = await lint('./', '--format', 'json');
    expect(findings(run).map(({ rule, severity }) => [rule, severity])).toEqual([['GLM103', 'error']]);
    expect(rulesOf(await lint('./', '--format', 'json', '--select', 'GLM104'))).toEqual([]);
  });

  it('takes for each file the configuration nearest to it, wherever it is called from', async () => {
    const severe = (severity: string): string => `[tool.glm.severity]\nGLM103 = "${severity}"\n`;
    put({ 'p/a.py': bad, 'p/deep/b.py': bad, 'p/q/c.py': bad, 'r/d.py': bad, 'p/pyproject.toml': severe('error'), 'p/deep/pyproject.toml': '[project]\nname = "x"\n', 'p/q/pyproject.toml': severe('hint'), 'pyproject.toml': '[tool.other]\n' });
    const found = findings(await lint('./', '--format', 'json', '--select', 'GLM103'));
    expect(Object.fromEntries(found.map(({ file, severity }) => [file.slice(folder.length + 1), severity]))).toEqual({ 'p/a.py': 'error', 'p/deep/b.py': 'error', 'p/q/c.py': 'hint', 'r/d.py': 'information' });
    vi.mocked(process.cwd).mockReturnValue(join(folder, 'r'));
    expect(findings(await lint('p/a.py', '--format', 'json', '--select', 'GLM103'))[0]?.severity).toBe('error');
    // Only what is asked for has to be in order.
    put({ 'r/pyproject.toml': '[tool.glm]\nselct = []\n' });
    expect((await lint('p/a.py')).code).toBe(1);
    expect((await lint('r/d.py')).code).toBe(2);
  });

  it('sees the patterns of exclude from the folder of their file, whatever lies above it', async () => {
    put({ 'build/p/src/a.py': bad, 'build/p/third/b.py': bad, 'build/p/src/third/c.py': bad, 'build/p/pyproject.toml': `[tool.glm]\nexclude = ["build/**", "third/**", "${folder}/build/p/src/third"]\n` });
    const files = findings(await lint('build/p', '--format', 'json', '--select', 'GLM103')).map(({ file }) => file.slice(folder.length + 1));
    expect(files).toEqual(['build/p/src/a.py']);
    expect((await lint('build/p/third/b.py')).code).toBe(1);
    expect((await lint('build/p/third/b.py', '--force-exclude')).code).toBe(0);
  });

  it('takes the configuration for standard input from where its file would lie', async () => {
    put({ 'p/pyproject.toml': '[tool.glm]\nignore = ["GLM103", "GLM104"]\n' });
    const lintStdin = (name: string): Promise<CliRun> => runFakeCli(['lint', '-', '--stdin-filename', join(folder, name)], { stdin: bad });
    expect((await lintStdin('p/new.py')).code).toBe(0);
    expect((await lintStdin('new.py')).code).toBe(1);
  });

  it.each([
    ['[tool.glm]\nselct = []\n', 'selct'],
    ['[tool.glm]\nignore = "GLM101"\n', 'list of strings'],
    ['[tool.glm.severity]\nGLM101 = "loud"\n', 'GLM101'],
    ['[tool.glm]\nselect = ["GLM7"]\n', 'GLM7'],
    ['[tool.glm\n', 'TOML'],
  ])('refuses the configuration %j', async (toml, named) => {
    put({ 'a.py': good, 'pyproject.toml': toml });
    const run = await lint('./a.py');
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(named);
  });

  it('reads other encodings and never writes them back', async () => {
    const latin = Buffer.from(`# -*- coding: latin-1 -*-\n# gr\u00fc\u00dfe\n${bad}`, 'latin1');
    put({ 'latin.py': latin, 'bom.py': Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(bad)]), 'wide.py': Buffer.from(`\ufeff${bad}`, 'utf16le'), 'noise.py': Buffer.from([0, 255, 254, 1, 2, 200]) });
    expect(rulesOf(await lint('./latin.py', './bom.py', './wide.py', './noise.py', '--format', 'json', '--select', 'GLM103'))).toEqual(['GLM103', 'GLM103', 'GLM103']);
    const run = await lint('./latin.py', './bom.py', '--fix');
    expect(run.stderr).toContain('not UTF-8');
    expect(readFileSync(join(folder, 'latin.py')).equals(latin)).toBe(true);
    expect(readFileSync(join(folder, 'bom.py')).subarray(0, 3)).toEqual(Buffer.from([0xef, 0xbb, 0xbf]));
    expect(read('bom.py')).toContain('.to(model.device)');
  });

  it('survives broken notebooks', async () => {
    put({ 'a.ipynb': '{"cells": [', 'b.ipynb': '', 'c.ipynb': '{"cells": [{"cell_type": "code", "source": 7}]}' });
    expect((await lint('./')).code).toBe(0);
  });

  it('prints workflow commands for GitHub', async () => {
    put({ 'a.py': bad, 'n.ipynb': notebook });
    const run = await lint('./a.py', './n.ipynb', '--format', 'github');
    const [first, , inNotebook] = run.stdout.split('\n');
    expect(first).toMatch(/^::notice file=.*a\.py,line=5,col=10,endLine=5,endColumn=51,title=GLM103::Inputs are moved/);
    expect(inNotebook).toMatch(/n\.ipynb,title=GLM103::cell 1, line 5: /);
  });

  it('prints SARIF that names every rule and every place', async () => {
    put({ 'a.py': bad });
    const run = await lint('./a.py', '--format', 'sarif');
    const sarif = JSON.parse(run.stdout) as { version: string; runs: { tool: { driver: { rules: { id: string; helpUri: string }[] } }; results: { ruleId: string; ruleIndex: number; level: string; locations: { physicalLocation: { region: object } }[]; fixes?: object[] }[] }[] };
    expect(sarif.version).toBe('2.1.0');
    const [result, moved] = sarif.runs[0]?.results ?? [];
    expect(result).toMatchObject({ ruleId: 'GLM103', level: 'note', locations: [{ physicalLocation: { region: { startLine: 5, startColumn: 10, endLine: 5, endColumn: 51 } } }] });
    expect(moved?.level).toBe('error');
    expect(sarif.runs[0]?.tool.driver.rules[result?.ruleIndex ?? -1]).toMatchObject({ id: 'GLM103' });
    expect(result?.fixes).toHaveLength(1);
  });

  it('says in words what it found, and how much of it can be fixed', async () => {
    put({ 'a.py': bad });
    const run = await lint('./a.py');
    expect(run.stdout).toContain('a.py:5:10: information GLM103 [*] ');
    expect(run.stderr).toContain('Found 2 problems in 1 file of 1. [*] 1 can be fixed with --fix.');
  });
});
