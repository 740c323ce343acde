/**
 * A misalignment in a real VS Code, on two real devices (the CPU and WebGPU on a software rasteriser): a device-map file puts a layer on the CPU,
 * the view says so, the Problems pane shows it at the file's entry, and its quick fix ends it. Then what misplaced tensors cost is measured.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findSoftwareVulkan } from '../../tools/softwareVulkan.mjs';
import { Session, textsIn } from './support/session';

const driver = findSoftwareVulkan();
const map = '{\n  "": "webgpu:0",\n  "model.layers.1": "cpu"\n}\n';
const poll = { timeout: 180_000, interval: 300 };

describe.skipIf(driver === undefined)('a layer on the CPU by a device-map file', () => {
  let session: Session;

  beforeAll(async () => {
    // The Vulkan loader of the engine reads what the server inherits.
    process.env.VK_ICD_FILENAMES = driver;
    // The tiny checkpoint: a rasteriser on a busy machine takes seconds for what a GPU does in milliseconds.
    const settings = { 'glm.autoLoad': 'always', 'glm.model': resolve('test/fixtures/checkpoints/tiny-glm4'), 'glm.provider': 'webgpu', 'glm.weights': 'f32', 'glm.allowSoftwareGpu': true, 'glm.contextLength': 256, 'glm.deviceMap': 'maps/split.json' };
    session = await Session.start('alignment', {}, (folder) => {
      mkdirSync(join(folder, 'workspace/maps'), { recursive: true });
      mkdirSync(join(folder, 'workspace/.vscode'), { recursive: true });
      // A served VS Code takes settings about the machine from the workspace or the machine, not from the user.
      writeFileSync(join(folder, 'workspace/.vscode/settings.json'), JSON.stringify(settings, undefined, 2));
      writeFileSync(join(folder, 'workspace/maps/split.json'), map);
    });
  });

  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail') {
      await session.saveEvidence(`failed-alignment-${task.name.replaceAll(/[^a-z0-9]+/gi, '-')}`);
    }
  });

  afterAll(async () => {
    await session.close();
  });

  it('is told in the view, with the mark of a simulated device', { timeout: 240_000 }, async () => {
    await session.openChat();
    await expect.poll(async () => (await textsIn(await session.inChat('alignment'))).join('\n'), poll).toMatch(/1 layers? \(1(-1)?, .+\) (are|is) on cpu, whereas the rest of the model is on webgpu:0\. .+\(simulated\)/);
  });

  it("is listed at the file's entry, and the fix sets the map to auto and loads again", { timeout: 240_000 }, async () => {
    await session.palette.run('Problems: Focus on Problems View');
    await expect.poll(async () => (await session.page.locator('.markers-panel .monaco-list-row').allInnerTexts()).join('\n'), poll).toMatch(/split\.json[\s\S]*(are|is) on cpu[\s\S]*Ln 3, Col 3/);
    const before = session.processes('engineWorker.js');
    const settings = (): string => readFileSync(join(session.workspace, '.vscode/settings.json'), 'utf8');
    await session.clickUntil(async () => (await session.inChat('alignment')).getByText('Use device map "auto"'), () => settings().includes('"glm.deviceMap": "auto"'), poll.timeout);
    // A new engine, so that what the view shows is not the old one's.
    await expect.poll(() => session.processes('engineWorker.js').some((pid) => !before.includes(pid)), poll).toBe(true);
    await expect.poll(async () => (await session.inChat('alignment')).count(), poll).toBe(0);
    await expect.poll(async () => (await session.inChat('model-facts')).count(), poll).toBe(1);
    await expect.poll(async () => (await session.page.locator('.markers-panel .monaco-list-row').allInnerTexts()).join('\n'), poll).not.toContain('on cpu');
  });

  it('measures what misplaced tensors cost from the palette, and keeps what was measured when it is cancelled', { timeout: 300_000 }, async () => {
    await session.palette.run('GLM: Measure Device-Alignment Cost');
    await session.palette.pick('Lengths');
    await session.palette.enter('Tokens of the prompt', '8, 4');
    await session.palette.pick(/Runs per case: /);
    await session.palette.enter('Counted runs', '1');
    await session.palette.pick(/Warm-up runs: /);
    await session.palette.enter('Runs before that', '0');
    await session.palette.pick('1 counted run per case after 0 warm-up');
    const dialog = session.page.locator('.monaco-dialog-box');
    await dialog.waitFor({ timeout: 60_000 });
    await dialog.getByRole('button', { name: 'Unload It First' }).click();
    // The baseline and the first kind have been measured when the second kind comes.
    await session.cancelProgress('GLM benchmark', /positions on cpu/, poll.timeout);
    const report = (await session.frameWith('glm-report', 180_000)).locator('glm-report');
    const text = async (): Promise<string> => (await textsIn(report)).join(' ');
    await expect.poll(text, poll).toMatch(/Cancelled at .*; what was measured before is kept/);
    expect(await text()).toMatch(/input_ids on cpu \(simulated\) 4 B [\d.]+ [\d.]+ -?[\d.]+ within the noise/);
    expect(await text()).toMatch(/software rasteriser \(simulated\)/);
    expect(session.violations).toEqual([]);
    expect(session.pageErrors).toEqual([]);
  });
});
