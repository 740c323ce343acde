/** The box at the top of the editor: the command palette, lists to choose from, and questions, also those of file dialogs, which a served VS Code shows there. */

import type { Locator, Page } from 'playwright-core';

export class Palette {
  constructor(private readonly page: Page) {}

  /** Runs a command through the palette, as a user does. */
  async run(title: string): Promise<void> {
    const input = await this.open('F1');
    await write(input, `>${title}`);
    // The command's own box takes the place of the palette: what is typed before goes to the palette and is lost.
    await this.choose(title, async () => (await input.isVisible()) && (await input.inputValue({ timeout: 1000 }).catch(() => '')).startsWith('>'));
  }

  /** The box at the top that this key opens; pressed again when the key went elsewhere. */
  async open(key: string): Promise<Locator> {
    const input = this.page.locator('.quick-input-widget input').first();
    for (const deadline = Date.now() + 30_000; ; ) {
      await this.page.keyboard.press(key);
      if (await input.waitFor({ timeout: 3000 }).then(() => true, () => false)) {
        return input;
      }
      if (Date.now() > deadline) {
        throw new Error(`${key} opened nothing.`);
      }
    }
  }

  /** Clicks an entry of the list at the top until `isOpen` says that it was taken: a list that is drawn anew between press and release swallows the click. */
  async choose(text: string | RegExp, isOpen: () => Promise<boolean>): Promise<void> {
    const option = this.page.locator('.quick-input-list [role=option]').filter({ hasText: text }).first();
    const deadline = Date.now() + 30_000;
    await option.waitFor();
    while (await isOpen()) {
      if (Date.now() > deadline) {
        throw new Error(`The list at the top stayed open after "${text}" was chosen.`);
      }
      await option.click({ timeout: 1000 }).catch(() => undefined);
      for (const until = Date.now() + 1000; Date.now() < until && (await isOpen()); ) {
        await this.page.waitForTimeout(50);
      }
    }
  }

  /** Chooses an entry of the list that is open at the top. */
  async pick(text: string | RegExp): Promise<void> {
    const widget = this.page.locator('.quick-input-widget');
    await widget.waitFor();
    const option = this.page.locator('.quick-input-list [role=option]').filter({ hasText: text }).first();
    await option.waitFor();
    const shown = async (): Promise<string> => (await widget.innerText({ timeout: 1000 }).catch(() => '')).replaceAll(/\s+/g, ' ');
    const before = await shown();
    await this.choose(text, async () => (await widget.isVisible()) && (await shown()) === before);
  }

  /** Fills the box that is open at the top, also that of a file dialog, which a served VS Code shows there. */
  async enter(title: string | RegExp, text: string): Promise<void> {
    const widget = this.page.locator('.quick-input-widget').filter({ hasText: title });
    await widget.waitFor();
    const input = widget.locator('input').first();
    // A file dialog writes its own suggestion when it has read the folder, also over what was typed meanwhile.
    for (let attempt = 0; attempt < 10 && (await input.inputValue()) !== text; attempt += 1) {
      await input.fill(text);
      await this.page.waitForTimeout(300);
    }
    await input.press('Enter');
  }
}

/** Puts a text into a box. What is typed while the focus moves goes elsewhere, so it is written until it is there. */
export async function write(input: Locator, text: string, timeoutMs = 30_000): Promise<void> {
  for (const deadline = Date.now() + timeoutMs; ; await input.page().waitForTimeout(50)) {
    await input.fill(text);
    if ((await input.inputValue()) === text) {
      return;
    }
    if (Date.now() > deadline) {
      throw new Error(`"${text}" was not taken by ${String(input)}.`);
    }
  }
}
