/**
 * The linter in a real VS Code with the packaged extension: a mistake is underlined and listed, the quick fix repairs it and the finding goes,
 * saving fixes files and notebooks, the whole workspace is checked on command. Steps build on each other.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Session } from './support/session';

const load = 'from transformers import AutoModelForCausalLM, AutoTokenizer\ntok = AutoTokenizer.from_pretrained("m")\nmodel = AutoModelForCausalLM.from_pretrained("m", device_map="auto")\n';
const forgotten = `${load}inputs = tok("Hi", return_tensors="pt")\nmodel.generate(**inputs)\n`;
const literal = `${load}inputs = tok("Hi", return_tensors="pt").to("cuda")\nmodel.generate(**inputs)\n`;
const notebook = JSON.stringify(
  {
    cells: [load, 'inputs = tok("Hi", return_tensors="pt").to("cuda")', 'model.generate(**inputs)'].map((source, index) => ({ cell_type: 'code', id: `c${index}`, execution_count: null, metadata: {}, outputs: [], source: source.split(/(?<=\n)/) })),
    metadata: { language_info: { name: 'python' } },
    nbformat: 4,
    nbformat_minor: 5,
  },
  undefined,
  1,
);

let session: Session;
const onDisk = (name: string): string => readFileSync(join(session.workspace, name), 'utf8');
const poll = { timeout: 60_000, interval: 200 };

beforeAll(async () => {
  const settings = { 'glm.autoLoad': 'never', 'editor.codeActionsOnSave': { 'source.fixAll.glm': 'explicit' }, 'notebook.codeActionsOnSave': { 'notebook.source.fixAll.glm': 'explicit' }, 'files.autoSave': 'off' };
  session = await Session.start('lint', { settings }, (folder) => {
    const put = (name: string, text: string): void => writeFileSync(join(folder, 'workspace', name), text);
    put('forgotten.py', forgotten);
    put('literal.py', literal);
    put('unopened.py', `${load}model.to("cuda")\n`);
    put('chat.ipynb', notebook);
  });
});

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    await session.saveEvidence(`failed-lint-${task.name.replaceAll(/[^a-z0-9]+/gi, '-')}`);
  }
});

afterAll(async () => {
  await session.close();
});

/** Through the explorer: it lists files before any search service runs. */
async function openFromExplorer(name: string): Promise<void> {
  await session.page.locator('.explorer-folders-view .monaco-list-row').filter({ hasText: name }).first().dblclick();
  await session.page.locator('.tab.active').filter({ hasText: name }).first().waitFor({ timeout: 30_000 });
}

async function problems(): Promise<string> {
  return (await session.page.locator('.markers-panel .monaco-list-row').allInnerTexts()).join('\n');
}

/** Puts the cursor on a line of the open editor and takes the quick fix with this title. */
async function applyQuickFix(line: number, title: string): Promise<void> {
  await session.page.locator('.monaco-editor .view-lines').first().click({ position: { x: 300, y: 5 } });
  await session.page.keyboard.press('Control+G');
  const input = session.page.locator('.quick-input-widget input').first();
  await input.waitFor();
  await input.fill(`:${line}:12`);
  await session.page.keyboard.press('Enter');
  await session.page.keyboard.press('Control+.');
  const action = session.page.locator('.action-widget .monaco-list-row').filter({ hasText: title }).first();
  await action.waitFor({ timeout: 30_000 });
  await action.click();
}

describe('the linter in VS Code', () => {
  it('underlines inputs left on the CPU and lists them in Problems', async () => {
    await session.statusBarItem.waitFor({ timeout: 90_000 });
    await openFromExplorer('forgotten.py');
    await session.page.locator('.monaco-editor .squiggly-warning').first().waitFor({ timeout: 60_000 });
    await session.runCommand('Problems: Focus on Problems View');
    await expect.poll(problems, poll).toContain('GLM101');
  });

  it('repairs them by the quick fix, and the finding goes', async () => {
    await openFromExplorer('forgotten.py');
    await applyQuickFix(4, 'Move the inputs to the model’s device');
    await expect.poll(() => session.page.locator('.monaco-editor .squiggly-warning').count(), poll).toBe(0);
    await expect.poll(problems, poll).not.toContain('GLM101');
    await session.page.keyboard.press('Control+S');
    await expect.poll(() => onDisk('forgotten.py'), poll).toBe(forgotten.replace('return_tensors="pt")', 'return_tensors="pt").to(model.device)'));
  });

  it('fixes a file when it is saved', async () => {
    await openFromExplorer('literal.py');
    await session.page.locator('.monaco-editor .squiggly-info').first().waitFor({ timeout: 60_000 });
    await session.page.locator('.monaco-editor .view-lines').first().click({ position: { x: 300, y: 5 } });
    await session.page.keyboard.press('Control+End');
    await session.page.keyboard.type('# typed');
    await session.page.keyboard.press('Control+S');
    await expect.poll(() => onDisk('literal.py'), poll).toBe(`${literal.replace('.to("cuda")', '.to(model.device)')}# typed`);
  });

  it('knows the cells of a notebook as one program, and fixes it when it is saved', async () => {
    await openFromExplorer('chat.ipynb');
    await session.page.locator('.notebook-editor .squiggly-info, .notebookOverlay .squiggly-info').first().waitFor({ timeout: 60_000 });
    await session.runCommand('Problems: Focus on Problems View');
    await expect.poll(problems, poll).toContain('GLM103');
    // Something to save: an empty cell at the end.
    await session.runCommand('Notebook: Insert Code Cell Below');
    await session.page.keyboard.press('Escape');
    await session.runCommand('File: Save');
    await expect.poll(() => onDisk('chat.ipynb'), poll).toContain('.to(model.device)');
    await expect.poll(problems, poll).not.toContain('GLM103');
  });

  it('checks the files nobody has opened', async () => {
    await session.runCommand('GLM: Check Python Files in Workspace');
    await session.runCommand('Problems: Focus on Problems View');
    await expect.poll(problems, poll).toContain('GLM104');
  });

  it('explains a pasted message and leads to the line behind it', async () => {
    await session.runCommand('GLM: Explain This Message');
    const input = session.page.locator('.quick-input-widget input').first();
    await input.waitFor();
    await input.fill("ValueError: `.to` is not supported for `4-bit` or `8-bit` bitsandbytes models. Please use the model as it is");
    await session.page.keyboard.press('Enter');
    const toast = session.page.locator('.notification-toast').filter({ hasText: 'Delete the .to() or .cuda()' });
    await toast.waitFor({ timeout: 30_000 });
    await toast.getByText('Show unopened.py:4').click();
    await session.page.locator('.tab.active').filter({ hasText: 'unopened.py' }).first().waitFor({ timeout: 30_000 });
    await session.page.locator('.monaco-editor .squiggly-error').first().waitFor({ timeout: 60_000 });
  });

  it('opens the page of a rule', async () => {
    await session.runCommand('GLM: Show Rules for Python Files');
    await expect.poll(() => session.page.locator('.tab').filter({ hasText: 'rules.md' }).count(), poll).toBeGreaterThan(0);
  });
});
