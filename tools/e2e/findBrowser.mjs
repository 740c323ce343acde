// A Chromium for the end-to-end pass: GLM_CHROMIUM, else what the system has.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const places = ['/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium', 'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe'];

export const missingBrowser = `No Chromium was found: none of ${names.join(', ')} is on PATH, and GLM_CHROMIUM is not set. On Debian or Ubuntu: sudo apt-get install chromium`;

export function findBrowser() {
  const candidates = [process.env.GLM_CHROMIUM, ...(process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name))), ...places];
  return candidates.find((path) => {
    try {
      accessSync(path ?? '', constants.X_OK);
      return path !== undefined && path !== '';
    } catch {
      return false;
    }
  });
}
