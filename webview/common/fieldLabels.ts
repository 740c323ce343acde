/**
 * Names for the toolkit's text fields and areas. They set their own `aria-label` ("Text field") when they are attached,
 * whatever the template said, so the real one goes in `data-label` and is put back after each rendering.
 */
export function labelFields(root: ParentNode): void {
  for (const field of root.querySelectorAll('[data-label]')) {
    const label = field.getAttribute('data-label') ?? '';
    if (field.getAttribute('aria-label') !== label) {
      field.setAttribute('aria-label', label);
    }
  }
}
