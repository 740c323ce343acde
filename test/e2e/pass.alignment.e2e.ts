/**
 * A misalignment in a real VS Code, on two real devices (the CPU and WebGPU on a software rasteriser): a device-map file puts a layer on the CPU,
 * the view says so, the Problems pane shows it at the file's entry, and its quick fix ends it.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
    const settings = { 'glm.provider': 'webgpu', 'glm.weights': 'int4', 'glm.allowSoftwareGpu': true, 'glm.contextLength': 256, 'glm.deviceMap': 'maps/split.json' };
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
    await session.runCommand('Problems: Focus on Problems View');
    await expect.poll(async () => (await session.page.locator('.markers-panel .monaco-list-row').allInnerTexts()).join('\n'), poll).toMatch(/split\.json[\s\S]*(are|is) on cpu[\s\S]*Ln 3, Col 3/);
    await (await session.inChat('alignment')).getByText('Use device map "auto"').click();
    await expect.poll(() => readFileSync(join(session.workspace, '.vscode/settings.json'), 'utf8'), poll).toContain('"glm.deviceMap": "auto"');
    await expect.poll(async () => (await session.inChat('alignment')).count(), poll).toBe(0);
    await expect.poll(async () => (await session.inChat('model-facts')).count(), poll).toBe(1);
    await expect.poll(async () => (await session.page.locator('.markers-panel .monaco-list-row').allInnerTexts()).join('\n'), poll).not.toContain('on cpu');
  });
});
