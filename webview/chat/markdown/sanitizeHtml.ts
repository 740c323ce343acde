/** The last gate before HTML made from an answer enters the page. */

import DOMPurify from 'dompurify';
import { isOpenableAddress } from './markdownParser';

const allowedTags = ['a', 'blockquote', 'br', 'code', 'del', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'li', 'ol', 'p', 'pre', 's', 'span', 'strong', 'table', 'tbody', 'td', 'th', 'thead', 'tr', 'ul'];
const allowedAttributes = ['class', 'href', 'start', 'title'];

const options = {
  ALLOWED_TAGS: allowedTags,
  ALLOWED_ATTR: allowedAttributes,
  ALLOWED_URI_REGEXP: /^https?:\/\//i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  // Parsing for itself, the sanitizer would make two documents for each call, which took longer than all the rest of it.
  IN_PLACE: true,
} as const;

/** Without a window: nothing in it runs, loads or is shown. */
let inertDocument: Document | undefined;

/** Elements without scripts, styles, images, frames, forms, event handlers or addresses other than http and https. */
export function sanitizeHtml(htmlText: string): DocumentFragment {
  inertDocument ??= document.implementation.createHTMLDocument('');
  const root = inertDocument.createElement('span');
  root.innerHTML = htmlText;
  DOMPurify.sanitize(root, options);
  removeBlanksBetweenItems(root);
  const fragment = document.createDocumentFragment();
  fragment.append(...root.childNodes);
  for (const anchor of fragment.querySelectorAll('a')) {
    const address = anchor.getAttribute('href') ?? '';
    if (isOpenableAddress(address)) {
      anchor.rel = 'noopener noreferrer';
      anchor.title ||= address;
    } else {
      anchor.removeAttribute('href');
    }
  }
  return fragment;
}

/** Line breaks between items and rows show nothing, and would differ between a list that grew and one that came at once. */
function removeBlanksBetweenItems(root: Element): void {
  for (const parent of root.querySelectorAll('ul, ol, table, thead, tbody, tr')) {
    for (const child of [...parent.childNodes]) {
      if (child.nodeType === Node.TEXT_NODE && child.nodeValue?.trim() === '') {
        child.remove();
      }
    }
  }
}
