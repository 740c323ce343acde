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
  RETURN_DOM_FRAGMENT: true,
} as const;

/** Elements without scripts, styles, images, frames, forms, event handlers or addresses other than http and https. */
export function sanitizeHtml(htmlText: string): DocumentFragment {
  const fragment = DOMPurify.sanitize(htmlText, options);
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
