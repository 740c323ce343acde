import { it } from 'vitest';
import { Session } from './support/session';

it('shows the view', async () => {
  const session = await Session.start('look', { settings: { 'glm.model': process.env.LOOK_MODEL ?? '', 'glm.autoLoad': 'always', 'glm.maxNewTokens': 200 } });
  try {
    const frame = await session.openChat();
    await session.page.waitForTimeout(5000);
    await session.saveEvidence('look1');
    await frame.locator('textarea').first().fill('What is device_map?');
    await session.page.keyboard.press('Enter');
    await session.page.waitForTimeout(4000);
    await session.runCommand('GLM: Diagnose');
    await session.page.waitForTimeout(3000);
    process.stdout.write((await session.page.locator('.monaco-editor .view-lines').first().innerText()).slice(0, 3000));
  } finally {
    await session.saveEvidence('look');
    process.stdout.write(JSON.stringify(session.violations) + JSON.stringify(session.pageErrors));
    await session.close();
  }
});
