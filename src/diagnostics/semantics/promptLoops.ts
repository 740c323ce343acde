/** Notices a loop that generates for one known prompt after the other. */
import type { Expr, ForStmt } from '../syntax/ast';
import type { Frame } from './frame';
import type { Interpreter } from './interpreter';
import { isWithin } from './statements';
import type { Value } from './values';

/**
 * Notes generate() calls of this loop when its prompts are literal strings, each tokenized and generated on its own,
 * nothing is timed or streamed inside, and the call stands in the loop itself.
 */
export function recordPromptLoop(interpreter: Interpreter, statement: ForStmt, iterable: Value, frame: Frame, numCallsBefore: number, eventBefore: number): void {
  const list = interpreter.object(iterable);
  if (!interpreter.isRecording || list?.kind !== 'list' || !list.items || list.items.length < 2 || statement.target.kind !== 'name') {
    return;
  }
  const areStrings = list.items.every((item) => item.kind === 'const' && typeof item.value === 'string');
  const isTimed = interpreter.facts.elapsed.some((region) => region.to > eventBefore);
  if (!areStrings || isTimed) {
    return;
  }
  for (const modelCall of interpreter.facts.modelCalls.slice(numCallsBefore)) {
    const origins = modelCall.tensors.map((tensor) => tensor.origin);
    const perPrompt = origins.length > 0 && origins.every((origin) => origin?.maker === 'tokenizer' && isWithin(origin.call, statement) && mentions(origin.call, statement.target, interpreter));
    if (modelCall.form === 'generate' && modelCall.frame === frame && isWithin(modelCall.call, statement) && perPrompt && !modelCall.settings.has('streamer')) {
      interpreter.facts.promptLoops.push({ loop: { start: statement.start, end: statement.iterable.end }, call: modelCall.call, numPrompts: list.items.length });
    }
  }
}

function mentions(expr: Expr, target: Expr, interpreter: Interpreter): boolean {
  const name = target.kind === 'name' ? target.id : '';
  return new RegExp(`\\b${name.replace(/\W/g, '')}\\b`).test(interpreter.textOf(expr));
}
