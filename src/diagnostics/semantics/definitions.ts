/** The functions and classes of the file that were met so far, and which of them somebody called. */
import type { ClassStmt, FunctionStmt, LambdaExpr } from '../syntax/ast';
import type { ClassValue, FunctionValue, RefValue } from './values';

export class Definitions {
  /** Functions by definition order, as last bound. */
  readonly functions = new Map<FunctionStmt, FunctionValue>();
  /** The same, one entry for each time a definition ran. */
  readonly history: FunctionValue[] = [];
  readonly classes = new Set<ClassValue>();
  /** The last object made of each class. */
  readonly instances = new Map<ClassStmt, RefValue>();
  /** Functions followed because of a call, findings recorded. */
  readonly called = new Set<FunctionStmt | LambdaExpr>();
  private readonly activations = new Map<FunctionStmt | LambdaExpr, number>();

  addFunction(value: FunctionValue): void {
    if (value.def.kind === 'function') {
      this.functions.set(value.def, value);
      this.history.push(value);
    }
  }

  /** Counts an activation; the number of those before it. */
  activate(def: FunctionStmt | LambdaExpr): number {
    const count = this.activations.get(def) ?? 0;
    this.activations.set(def, count + 1);
    return count;
  }

  forgetActivations(): void {
    this.activations.clear();
  }
}
