/**
 * Numbers in the JSON of tools and messages, spelled as Python would spell them again.
 *
 * A model was trained on what Python wrote into its prompts: `1.0` stays `1.0`, `0.0000001` becomes `1e-07`, a long integer keeps its digits.
 * JavaScript's numbers remember none of this, so a number that would come out differently is carried as an object of one key until the template
 * writes it.
 */

/** Begins with a character that no JSON key of a tool has. */
const numberKey = '\0number';

/** As JSON.parse, except for numbers that JavaScript would spell differently from Python: those become `{[numberKey]: text}`. */
export function parseJsonKeepingNumbers(text: string): unknown {
  const value: unknown = JSON.parse(text);
  let hasKept = false;
  const marked = text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) => {
    if (token.startsWith('"')) {
      return token;
    }
    const spelled = /[.eE]/.test(token) ? pythonFloatText(Number(token)) : String(BigInt(token));
    if (spelled === JSON.stringify(Number(token))) {
      return token;
    }
    hasKept = true;
    return JSON.stringify({ [numberKey]: spelled });
  });
  return hasKept ? JSON.parse(marked) : value;
}

/** The spelling, when these are the entries of an object that carries a number. */
export function tryNumberText(entries: readonly (readonly [key: string, value: unknown])[]): string | undefined {
  const [first] = entries;
  return entries.length === 1 && first?.[0] === numberKey && typeof first[1] === 'string' ? first[1] : undefined;
}

/** `repr` of a Python float: shortest digits that read back, an exponent below 1e-4 and from 1e16 on. */
export function pythonFloatText(value: number): string {
  if (!Number.isFinite(value)) {
    return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  }
  if (value === 0) {
    return Object.is(value, -0) ? '-0.0' : '0.0';
  }
  const [mantissa = '', exponentText = ''] = value.toExponential().split('e');
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 16) {
    return `${mantissa}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < 0) {
    return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  }
  const whole = digits.padEnd(exponent + 1, '0');
  return `${sign}${whole.slice(0, exponent + 1)}.${whole.slice(exponent + 1) || '0'}`;
}
