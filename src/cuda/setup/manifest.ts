/** The note in a finished installation: what is in it and where it came from. A folder without a valid one is never used. */

export const manifestName = 'manifest.json';
export const manifestFormat = 1;

export interface Manifest {
  readonly format: number;
  readonly packages: readonly { readonly id: string; readonly version: string; readonly fileName: string; readonly sha256: string }[];
  readonly files: readonly { readonly name: string; readonly byteLength: number }[];
}

/** A checked manifest, or undefined for anything else. */
export function parseManifest(text: string): Manifest | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const manifest = value as Partial<Manifest> | null;
  const isValid =
    typeof manifest === 'object' &&
    manifest !== null &&
    manifest.format === manifestFormat &&
    Array.isArray(manifest.packages) &&
    manifest.packages.every((one: unknown) => isRecordOf(one, ['id', 'version', 'fileName', 'sha256'], 'string')) &&
    Array.isArray(manifest.files) &&
    manifest.files.every((one: unknown) => isRecordOf(one, ['name'], 'string') && isRecordOf(one, ['byteLength'], 'number'));
  return isValid ? (manifest as Manifest) : undefined;
}

function isRecordOf(value: unknown, keys: readonly string[], type: 'string' | 'number'): boolean {
  return typeof value === 'object' && value !== null && keys.every((key) => typeof (value as Record<string, unknown>)[key] === type);
}
