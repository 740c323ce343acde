/**
 * GPT-2's table between bytes and printable characters, in which byte-level vocabularies are written.
 *
 * Bytes that print as themselves in Latin-1 stand for themselves; the other 68 are shifted to U+0100 and up, in order.
 * @see openai/gpt-2 src/encoder.py, bytes_to_unicode
 */

const printsItself = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);

/** Character of each byte. */
export const charOfByte: readonly string[] = (() => {
  let shifted = 0;
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printsItself(byte) ? byte : 256 + shifted++));
})();

const byteOfChar = new Map(charOfByte.map((char, byte) => [char, byte]));

const codeOfByte = charOfByte.map((char) => char.charCodeAt(0));

/** Bytes, given as the characters U+0000 to U+00FF that `atob` yields, spelled in the table's characters. */
export function spellBytes(binary: string): string {
  const codes = new Array<number>(binary.length);
  for (let i = 0; i < binary.length; i++) {
    codes[i] = codeOfByte[binary.charCodeAt(i)]!;
  }
  return String.fromCharCode(...codes);
}

/** The bytes that a token stands for. As in the tokenizers library, a token with any character outside the table stands for its own UTF-8. */
export function bytesOfToken(token: string): Uint8Array {
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOfChar.get(token[i]!);
    if (byte === undefined) {
      return new TextEncoder().encode(token);
    }
    bytes[i] = byte;
  }
  return bytes;
}
