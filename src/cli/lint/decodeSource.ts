/** Bytes of a source file to text, whatever its encoding. */

export interface DecodedSource {
  readonly text: string;
  /** False when writing the text back as UTF-8 would change more than the fix. */
  readonly canWriteBack: boolean;
  readonly hasBom: boolean;
}

/**
 * UTF-8 where the bytes are valid UTF-8, else the encoding the file declares (PEP 263), else Latin-1, which never fails.
 */
export function decodeSource(bytes: Uint8Array): DecodedSource {
  const [first, second] = bytes;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    return { text: decode(bytes, first === 0xff ? 'utf-16le' : 'utf-16be'), canWriteBack: false, hasBom: true };
  }
  const hasBom = first === 0xef && second === 0xbb && bytes[2] === 0xbf;
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes), canWriteBack: true, hasBom };
  } catch {
    const head = decode(bytes.subarray(0, 200), 'latin1').split(/\r?\n/, 2).join('\n');
    const declared = /^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)/m.exec(head)?.[1];
    return { text: decode(bytes, declared ?? 'latin1'), canWriteBack: false, hasBom };
  }
}

function decode(bytes: Uint8Array, encoding: string): string {
  try {
    return new TextDecoder(encoding).decode(bytes);
  } catch {
    return new TextDecoder('latin1').decode(bytes);
  }
}
