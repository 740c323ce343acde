/** Saved documents with junk in one place, for readers that must refuse what they can't use. */

import fc from 'fast-check';

interface Spoiling {
  /** Lists and objects are spoiled in so many of their places at most. */
  readonly mostPlaces?: number;
}

/** The JSON of a document of which one place, down to a few levels, holds any JSON value instead. */
export function spoiledDocument(text: string, { mostPlaces = Infinity }: Spoiling = {}): fc.Arbitrary<string> {
  const paths = placesOf(JSON.parse(text), mostPlaces);
  return fc.tuple(fc.constantFrom(...paths), fc.jsonValue()).map(([path, junk]) => {
    const document = JSON.parse(text) as Record<string, unknown>;
    let at = document;
    path.slice(0, -1).forEach((key) => (at = at[key] as Record<string, unknown>));
    at[path[path.length - 1]!] = junk;
    return JSON.stringify(document);
  });
}

function placesOf(value: unknown, mostPlaces: number, depth = 0): string[][] {
  if (typeof value !== 'object' || value === null || depth > 5) {
    return [];
  }
  return Object.entries(value)
    .slice(0, mostPlaces)
    .flatMap(([key, inner]) => [[key], ...placesOf(inner, mostPlaces, depth + 1).map((rest) => [key, ...rest])]);
}
