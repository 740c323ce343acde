/**
 * koffi in a module of its own, to be imported only when it is needed: where its binary is missing the import fails and the rest works on.
 * (A direct `import('koffi')` would stay an ES import in the bundle and search by other rules than `require` does.)
 */

export { default as koffi } from 'koffi';
