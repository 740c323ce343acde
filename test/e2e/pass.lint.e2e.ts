/**
 * The linter in a real VS Code with the packaged extension: a mistake is underlined and listed, the quick fix repairs it and the finding goes,
 * saving fixes files and notebooks, the whole workspace is checked on command, settings of rules work at once, printed messages are explained.
 * Steps build on each other.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { write } from './support/palette';
import { Session } from './support/session';

const load = 'from transformers import AutoModelForCausalLM, AutoTokenizer\ntok = AutoTokenizer.from_pretrained("m")\nmodel = AutoModelForCausalLM.from_pretrained("m", device_map="auto")\n';
const forgotten = `${load}inputs = tok("Hi", return_tensors="pt")\nmodel.generate(**inputs)\n`;
const literal = `${load}inputs = tok("Hi", return_tensors="pt").to("cuda")\nmodel.generate(**inputs)\n`;
const cells = [load, 'inputs = tok("Hi", return_tensors="pt").to("cuda")', 'model.generate(**inputs)'];
const notebook = JSON.stringify(
  {
    cells: cells.map((source, index) => ({ cell_type: 'code', id: `c${index}`, execution_count: null, metadata: {}, outputs: [], source: source.split(/(?<=\n)/) })),
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
  const settings = { 'glm.autoLoad': 'never', 'editor.codeActionsOnSave': { 'source.fixAll.glm': 'explicit' }, 'notebook.codeActionsOnSave': { 'notebook.source.fixAll.glm': 'explicit' }, 'files.autoSave': 'off', 'terminal.integrated.gpuAcceleration': 'off', 'workbench.editor.useModal': 'off' };
  session = await Session.start('lint', { settings }, (folder) => {
    const put = (name: string, text: string): void => writeFileSync(join(folder, 'workspace', name), text);
    put('forgotten.py', forgotten);
    put('literal.py', literal);
    put('several.py', `${load}a = tok("Hi", return_tensors="pt")\nmodel.generate(**a)\nb = tok("Ho", return_tensors="pt")\nmodel.generate(**b)\n`);
    put('ignored.py', literal);
    put('ignored.ipynb', notebook);
    put('unopened.py', `${load}model.to("cuda")\n`);
    put('chat.ipynb', notebook);
    mkdirSync(join(folder, 'workspace/configured'));
    put('configured/pyproject.toml', '[tool.glm]\nignore = ["GLM104"]\n');
    put('configured/quiet.py', `${load}model.to("cuda")\n`);
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

/** Puts the cursor on a line of the open editor. */
async function goToLine(line: number): Promise<void> {
  await session.page.locator('.monaco-editor .view-lines').first().click({ position: { x: 300, y: 5 } });
  await session.page.keyboard.press('Control+G');
  const input = session.page.locator('.quick-input-widget input').first();
  await input.waitFor();
  await write(input, `:${line}:12`);
  await session.page.keyboard.press('Enter');
}

/** Takes the quick fix with this title where the cursor is. The list is asked for again until it has it: the finding may be drawn before its fixes are known. */
async function takeQuickFix(title: string): Promise<void> {
  const action = session.page.locator('.action-widget .monaco-list-row').filter({ hasText: title }).first();
  await expect
    .poll(async () => {
      await session.page.keyboard.press('Control+.');
      const isThere = await action.waitFor({ timeout: 3000 }).then(() => true, () => false);
      if (!isThere) {
        await session.page.keyboard.press('Escape');
      }
      return isThere;
    }, poll)
    .toBe(true);
  for (const deadline = Date.now() + 30_000; await action.isVisible(); ) {
    expect(Date.now()).toBeLessThan(deadline);
    await action.click({ timeout: 1000 }).catch(() => undefined);
  }
}

/** Sets the severity of a rule in the workspace's settings as a user does: in an editor. */
async function setSeverity(rule: string, severity: string): Promise<void> {
  await session.palette.run('Preferences: Open Workspace Settings (JSON)');
  await replaceText('settings.json', JSON.stringify({ 'glm.lint.rules': { [rule]: severity } }));
}

/** Writes all of the editor in front anew, and saves it. */
async function replaceText(name: string, text: string): Promise<void> {
  await session.page.locator('.tab.active').filter({ hasText: name }).first().waitFor({ timeout: 30_000 });
  await session.page.locator(`.monaco-editor[data-uri$="${name}"] .view-lines`).first().click();
  await session.page.keyboard.press('Control+A');
  await session.page.keyboard.insertText(text);
  await session.page.keyboard.press('Control+S');
}

describe('the linter in VS Code', () => {
  it('underlines inputs left on the CPU and lists them in Problems', async () => {
    await session.statusBarItem.waitFor({ timeout: 90_000 });
    await openFromExplorer('forgotten.py');
    await session.page.locator('.monaco-editor .squiggly-warning').first().waitFor({ timeout: 60_000 });
    await session.palette.run('Problems: Focus on Problems View');
    await expect.poll(problems, poll).toContain('GLM101');
  });

  it('explains the finding under the mouse, with a way to its page', async () => {
    const squiggle = session.page.locator('.monaco-editor .squiggly-warning').first();
    const hover = session.page.locator('.monaco-hover:visible').filter({ hasText: 'GLM101' }).first();
    await expect
      .poll(async () => {
        // A mouse that lies still while the text moves under it opens nothing. The text lies above the squiggle.
        await session.page.mouse.move(5, 5);
        await squiggle.hover({ force: true });
        return hover.waitFor({ timeout: 3000 }).then(() => true, () => false);
      }, poll)
      .toBe(true);
    expect(await hover.innerText()).toMatch(/model\.device|model’s device/);
    await session.clickUntil(() => hover.locator('a[data-href*="openRulePage"]'), () => session.isInFront('GLM101'));
  });

  it('repairs them by the quick fix, and the finding goes', async () => {
    await openFromExplorer('forgotten.py');
    await goToLine(4);
    await takeQuickFix('Move the inputs to the model’s device');
    await expect.poll(() => session.page.locator('.monaco-editor .squiggly-warning').count(), poll).toBe(0);
    await expect.poll(problems, poll).not.toContain('GLM101');
    await session.page.keyboard.press('Control+S');
    await expect.poll(() => onDisk('forgotten.py'), poll).toBe(forgotten.replace('return_tensors="pt")', 'return_tensors="pt").to(model.device)'));
  });

  it('fixes all of a file at once', async () => {
    await openFromExplorer('several.py');
    await expect.poll(() => session.page.locator('.monaco-editor .squiggly-warning').count(), poll).toBeGreaterThanOrEqual(2);
    await goToLine(4);
    await takeQuickFix('Fix all GLM problems in this file');
    await expect.poll(() => session.page.locator('.monaco-editor .squiggly-warning').count(), poll).toBe(0);
    await session.page.keyboard.press('Control+S');
    await expect.poll(() => onDisk('several.py').split('.to(model.device)').length - 1, poll).toBe(2);
  });

  it('leaves alone what a comment ignores, in a file and in a notebook', async () => {
    await openFromExplorer('ignored.py');
    await session.page.locator('.monaco-editor .squiggly-info').first().waitFor({ timeout: 60_000 });
    await goToLine(4);
    await takeQuickFix('Ignore GLM103 on this line');
    await expect.poll(() => session.page.locator('.monaco-editor .squiggly-info').count(), poll).toBe(0);
    await session.page.keyboard.press('Control+S');
    await expect.poll(() => onDisk('ignored.py'), poll).toBe(literal.replace('.to("cuda")', '.to("cuda")  # glm: ignore[GLM103]'));
    await openFromExplorer('ignored.ipynb');
    const cell = session.page.locator('.notebook-editor .cell .monaco-editor, .notebookOverlay .monaco-editor').filter({ has: session.page.locator('.squiggly-info') }).first();
    await cell.waitFor({ timeout: 60_000 });
    await cell.locator('.view-line').first().click();
    await session.page.keyboard.press('End');
    await session.page.keyboard.press('ArrowLeft');
    await session.page.keyboard.press('ArrowLeft');
    await takeQuickFix('Ignore GLM103 on this line');
    await expect.poll(() => cell.count(), poll).toBe(0);
    await session.page.keyboard.press('Escape');
    await session.palette.run('File: Save');
    await expect.poll(() => onDisk('ignored.ipynb'), poll).toContain('.to(\\"cuda\\")  # glm: ignore[GLM103]');
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
    await session.palette.run('Problems: Focus on Problems View');
    await expect.poll(problems, poll).toContain('GLM103');
    // Something to save: an empty cell at the end.
    await session.palette.run('Notebook: Insert Code Cell Below');
    await session.page.keyboard.press('Escape');
    await session.palette.run('File: Save');
    await expect.poll(() => onDisk('chat.ipynb'), poll).toContain('.to(model.device)');
    await expect.poll(problems, poll).not.toContain('GLM103');
  });

  it('checks the files nobody has opened', async () => {
    await session.palette.run('GLM: Check Python Files in Workspace');
    await session.palette.run('Problems: Focus on Problems View');
    await expect.poll(problems, poll).toContain('GLM104');
  });

  it('heeds [tool.glm] of the nearest pyproject.toml, and its changes', async () => {
    expect(await problems()).not.toContain('quiet.py');
    await session.page.locator('.explorer-folders-view .monaco-list-row').filter({ hasText: 'configured' }).first().click();
    await openFromExplorer('pyproject.toml');
    await replaceText('pyproject.toml', 'tool.glm.severity.GLM104 = "hint"');
    await openFromExplorer('quiet.py');
    await session.page.locator('.monaco-editor .squiggly-hint').first().waitFor({ timeout: 60_000 });
    await openFromExplorer('pyproject.toml');
    await replaceText('pyproject.toml', 'tool.glm.selct = 1');
    // The list shows no more rows than it has room for.
    await session.page.locator('.monaco-editor[data-uri$="pyproject.toml"] .squiggly-warning').first().waitFor({ timeout: 60_000 });
    await session.palette.run('Problems: Focus on Problems View');
    await expect.poll(problems, poll).toMatch(/quiet\.py[\s\S]*GLM104/);
    await openFromExplorer('pyproject.toml');
    await replaceText('pyproject.toml', 'tool.glm.exclude = ["quiet.py"]');
    await session.palette.run('Problems: Focus on Problems View');
    await expect.poll(problems, poll).not.toContain('quiet.py');
  });

  it('takes severities of rules at once, also for files nobody has opened', async () => {
    await setSeverity('GLM104', 'off');
    await session.palette.run('Problems: Focus on Problems View');
    await expect.poll(problems, poll).not.toContain('GLM104');
    await setSeverity('GLM104', 'warning');
    await session.palette.run('Problems: Focus on Problems View');
    await expect.poll(problems, poll).toContain('GLM104');
    await expect.poll(() => session.page.locator('.markers-panel .codicon-warning').count(), poll).toBeGreaterThan(0);
    await setSeverity('GLM104', 'error');
  });

  it('links a printed message in the terminal to its explanation', async () => {
    await session.palette.run('Terminal: Create New Terminal');
    await session.page.locator('.terminal-wrapper.active .xterm-rows, .xterm .xterm-rows').first().waitFor({ timeout: 60_000 });
    await session.page.keyboard.type("clear; echo 'ValueError: `.to` is not supported for `4-bit` or `8-bit` bitsandbytes models.'");
    await session.page.keyboard.press('Enter');
    const row = session.page.locator('.xterm-rows > div').filter({ hasText: /^\s*ValueError: `\.to` is not supported/ }).first();
    await row.waitFor({ timeout: 30_000 });
    const box = await row.boundingBox();
    const [x, y] = [(box?.x ?? 0) + 120, (box?.y ?? 0) + (box?.height ?? 0) / 2];
    const toast = session.page.locator('.notification-toast').filter({ hasText: 'Delete the .to() or .cuda()' });
    await expect
      .poll(async () => {
        // The link is found when the mouse moves over it.
        await session.page.mouse.move(x + 4, y);
        await session.page.mouse.move(x, y, { steps: 3 });
        await session.page.keyboard.down('Control');
        await session.page.mouse.click(x, y);
        await session.page.keyboard.up('Control');
        return toast.count();
      }, { timeout: 60_000, interval: 1000 })
      .toBeGreaterThan(0);
    await session.palette.run('Notifications: Clear All Notifications');
  });

  it('explains a pasted message and leads to the line behind it', async () => {
    await session.palette.run('GLM: Explain This Message');
    const input = session.page.locator('.quick-input-widget input').first();
    await input.waitFor();
    await write(input, "ValueError: `.to` is not supported for `4-bit` or `8-bit` bitsandbytes models. Please use the model as it is");
    await session.page.keyboard.press('Enter');
    const toast = session.page.locator('.notification-toast').filter({ hasText: 'Delete the .to() or .cuda()' });
    await toast.waitFor({ timeout: 30_000 });
    await session.clickUntil(() => toast.getByText('Show unopened.py:4'), () => session.isInFront('unopened.py'));
    await session.page.locator('.monaco-editor .squiggly-error').first().waitFor({ timeout: 60_000 });
  });

  it('opens the page of a rule', async () => {
    await session.palette.run('GLM: Show Rules for Python Files');
    await expect.poll(() => session.page.locator('.tab').filter({ hasText: 'rules.md' }).count(), poll).toBeGreaterThan(0);
  });
});
