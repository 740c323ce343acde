import { it } from 'vitest';
import { Session } from './support/session';

it('shows the view', async () => {
  const session = await Session.start('look');
  try {
    await session.openChat();
    await session.page.waitForTimeout(4000);
    await session.saveEvidence('look');
    process.stdout.write(JSON.stringify(session.violations) + JSON.stringify(session.pageErrors));
  } finally {
    await session.saveEvidence('look');
    await session.close();
  }
});
