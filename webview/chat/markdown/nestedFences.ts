/** Fences inside lists and quotes get their buttons and colours once they are final. */

import type { CodeBlock } from './codeBlock';

export function replaceNestedFences(fragment: DocumentFragment): void {
  for (const pre of fragment.querySelectorAll('pre.fence')) {
    const code = pre.querySelector('code');
    const element = document.createElement('glm-code-block') as CodeBlock;
    element.language = /^language-(.*)$/.exec(code?.className ?? '')?.[1] ?? '';
    element.appendCode(code?.textContent ?? '');
    element.finishCode();
    pre.replaceWith(element);
  }
}
