/** What tells a benchmark from a chat, a server or a library that only notes how fast it was. */
import type { Facts, ModelCall, Rate } from '../semantics/facts';
import type { FunctionStmt, LambdaExpr, Span } from '../syntax/ast';
import type { RuleContext } from './rule';

/** Names of functions and classes that measure. */
const measuring = /bench|perf(ormance|_|$)|measur|metric|throughput|(?<!deep)speed|latenc|profil|timing|timed|stress|compar|(^|_)tps|per_sec|(?<!ri)eval|(^|_)test/i;
/** Names of functions that are there for what comes out. */
const answering = /generat|infer|predict|complet|ask|answer|quer|caption|translat|summar|forward|call|run_model|process/i;
/** Names of functions and classes that talk with somebody. */
const talking = /chat|convers|interact|repl($|y)|respond|bot($|_)|assistant|(^|_)serve|server|handle|endpoint/i;

/**
 * The speed of this call is measured on purpose: by a function that is named for it, by a program that runs it from its beginning, or over many prompts.
 * Whoever talks to a model wants its answers to end where they end, whatever the speed is that stands below.
 */
export function isMeasurement(facts: Facts, call: ModelCall): boolean {
  if (answersAPerson(facts, call)) {
    return false;
  }
  if (call.within.some((name) => measuring.test(name))) {
    return true;
  }
  if (facts.happenings.some(({ kind }) => kind === 'page') || call.within.some((name) => talking.test(name))) {
    return false;
  }
  // The same call may also be reached from a function that answers somebody.
  const isAnswer = (other: ModelCall): boolean => other.call === call.call && (answersAPerson(facts, other) || (other.entry !== undefined && isHandler(other.entry)));
  return call.entry === undefined || (!facts.modelCalls.some(isAnswer) && (call.loops.some((loop) => !loop.isWhile) || isForItself(call.within)));
}

/** Some function or class around the call speaks of speed. */
export function isNamedForSpeed({ within }: ModelCall): boolean {
  return within.some((name) => /bench|perf(ormance|_|$)|throughput|(?<!deep)speed|latenc|profil|stress|(^|_)tps|per_sec|(^|_)rate(_|$)/i.test(name));
}

/** A function that computes a speed and is no method, nor named for the answers it gives. */
function isForItself(within: readonly string[]): boolean {
  return within.length === 1 && within.every((name) => !answering.test(name));
}

/** A round of a conversation: `while True: question = input("> ")`. */
function answersAPerson(facts: Facts, { loops, fromEvent }: ModelCall): boolean {
  return loops.some((loop) => facts.happenings.some(({ kind, event }) => kind === 'asked' && event > loop.from && event < fromEvent));
}

/** `@app.post("/generate")`, `@bot.message_handler(…)`: somebody asks, and is answered. */
function isHandler(entry: FunctionStmt | LambdaExpr): boolean {
  const handlers = entry.kind === 'function' ? entry.decorators.map((decorator) => (decorator.kind === 'call' ? decorator.func : decorator)) : [];
  return handlers.some((decorator) => decorator.kind === 'attribute' && /^(get|post|put|route|websocket|api_route|\w*handler|on_\w+|command|task|method|remote|event)$/.test(decorator.name));
}

/** What is counted, as written. */
const tokens = /tok|word|char|numel|shape|ids|tps|throughput/i;
const countable = /gen|out|piece|chunk|part|new|num|len|seq|count|total|(^|\W|_)n(_|\W|$)|request|prompt|sample|batch|quer|quest|bs\b|max|step|run|tps|throughput|speed|\d/i;
const uncountable = /flop|byte|\b[kmg]i?b\b|audio|duration|sec|time|frame|image|img|pixel|video|page|joule|energy|watt|loss|mem|percent/i;

/** Tokens, answers or requests per second: not FLOPs, seconds of audio, joules, bytes or images. */
export function isSpeedOfGeneration({ source, textOf }: RuleContext, { expr }: Rate): boolean {
  const written = textOf(expr);
  const counted = written.slice(0, lastDivision(written));
  return tokens.test(counted) || (!uncountable.test(counted) && !/fps|frames? per/i.test(linesOf(source, expr)) && (countable.test(counted) || tokens.test(linesOf(source, expr))));
}

/** Tokens are counted, by what is written or by what is said of it (`print(n / seconds, "tokens/s")`). */
export function countsTokens({ source, textOf }: RuleContext, { expr }: Rate): boolean {
  return /tok|word|char|shape|numel|out|gen|new|ids|seq/i.test(textOf(expr)) || /tok/i.test(linesOf(source, expr));
}

function linesOf(source: string, { start, end }: Span): string {
  const lineEnd = source.indexOf('\n', end);
  return source.slice(source.lastIndexOf('\n', start) + 1, lineEnd < 0 ? source.length : lineEnd);
}

/** Where the outermost division stands; the end of a call that computes the speed by its name. */
function lastDivision(written: string): number {
  let depth = 0;
  let position = written.length;
  for (let index = 0; index < written.length; index++) {
    const character = written[index] ?? '';
    depth += '([{'.includes(character) ? 1 : ')]}'.includes(character) ? -1 : 0;
    if (character === '/' && depth === 0) {
      position = index;
      index += written[index + 1] === '/' ? 1 : 0;
    }
  }
  return position;
}
