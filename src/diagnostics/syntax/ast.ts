/**
 * The Python syntax tree the analyser works on: plain objects with offsets, no parser types.
 *
 * Offsets are UTF-16 code units into the analysed text, `end` exclusive.
 * Not for: meaning. Names are not resolved and nothing is evaluated here.
 */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export type Expr =
  | NameExpr
  | AttributeExpr
  | CallExpr
  | StringExpr
  | NumberExpr
  | LiteralExpr
  | SubscriptExpr
  | SequenceExpr
  | DictExpr
  | ComprehensionExpr
  | BinaryExpr
  | BooleanExpr
  | UnaryExpr
  | CompareExpr
  | ConditionalExpr
  | LambdaExpr
  | NamedExpr
  | StarExpr
  | AwaitExpr
  | YieldExpr
  | OtherExpr;

export interface NameExpr extends Span {
  readonly kind: 'name';
  readonly id: string;
}

export interface AttributeExpr extends Span {
  readonly kind: 'attribute';
  readonly object: Expr;
  readonly name: string;
  readonly nameSpan: Span;
}

export interface CallExpr extends Span {
  readonly kind: 'call';
  readonly func: Expr;
  readonly args: readonly Argument[];
  /** The parentheses with everything between them. */
  readonly argsSpan: Span;
}

/** `unpack` is `*x` (list) or `**x` (mapping) at the call. */
export interface Argument extends Span {
  readonly name?: string;
  readonly unpack?: 'list' | 'mapping';
  readonly value: Expr;
}

export interface StringExpr extends Span {
  readonly kind: 'string';
  /** Undefined for an f-string; escapes are kept as written. */
  readonly value?: string;
  readonly parts: readonly Expr[];
}

export interface NumberExpr extends Span {
  readonly kind: 'number';
  readonly value: number;
}

export interface LiteralExpr extends Span {
  readonly kind: 'literal';
  readonly value: boolean | null;
}

export interface SubscriptExpr extends Span {
  readonly kind: 'subscript';
  readonly object: Expr;
  readonly index: readonly Expr[];
}

export interface SequenceExpr extends Span {
  readonly kind: 'sequence';
  readonly form: 'tuple' | 'list' | 'set';
  readonly items: readonly Expr[];
}

export interface DictExpr extends Span {
  readonly kind: 'dict';
  /** `key` is undefined for `**value`. */
  readonly entries: readonly { readonly key?: Expr; readonly value: Expr }[];
}

export interface ComprehensionExpr extends Span {
  readonly kind: 'comprehension';
  readonly form: 'list' | 'set' | 'generator' | 'dict';
  readonly key?: Expr;
  readonly value: Expr;
  readonly clauses: readonly ({ readonly target: Expr; readonly iterable: Expr } | { readonly condition: Expr })[];
}

export interface BinaryExpr extends Span {
  readonly kind: 'binary';
  readonly operator: string;
  readonly left: Expr;
  readonly right: Expr;
}

export interface BooleanExpr extends Span {
  readonly kind: 'boolean';
  readonly operator: 'and' | 'or';
  readonly left: Expr;
  readonly right: Expr;
}

export interface UnaryExpr extends Span {
  readonly kind: 'unary';
  readonly operator: 'not' | '-' | '+' | '~';
  readonly operand: Expr;
}

export interface CompareExpr extends Span {
  readonly kind: 'compare';
  readonly operators: readonly string[];
  readonly operands: readonly Expr[];
}

export interface ConditionalExpr extends Span {
  readonly kind: 'conditional';
  readonly test: Expr;
  readonly then: Expr;
  readonly otherwise: Expr;
}

export interface LambdaExpr extends Span {
  readonly kind: 'lambda';
  readonly params: readonly Parameter[];
  readonly body: Expr;
}

export interface NamedExpr extends Span {
  readonly kind: 'named';
  readonly target: Expr;
  readonly value: Expr;
}

export interface StarExpr extends Span {
  readonly kind: 'star';
  readonly value: Expr;
}

export interface AwaitExpr extends Span {
  readonly kind: 'await';
  readonly value: Expr;
}

export interface YieldExpr extends Span {
  readonly kind: 'yield';
  readonly value?: Expr;
}

/** Anything without a meaning here (slices, ellipsis, broken code): its parts are still evaluated. */
export interface OtherExpr extends Span {
  readonly kind: 'other';
  readonly parts: readonly Expr[];
}

export interface Parameter {
  readonly name: string;
  readonly form: 'plain' | 'list' | 'mapping';
  readonly annotation?: string;
  readonly defaultValue?: Expr;
}

export type Stmt =
  | ExpressionStmt
  | AssignStmt
  | AugmentedAssignStmt
  | IfStmt
  | ForStmt
  | WhileStmt
  | TryStmt
  | WithStmt
  | FunctionStmt
  | ClassStmt
  | ReturnStmt
  | JumpStmt
  | ImportStmt
  | ScopeStmt
  | DeleteStmt
  | MatchStmt
  | BrokenStmt;

export interface ExpressionStmt extends Span {
  readonly kind: 'expression';
  readonly value: Expr;
}

export interface AssignStmt extends Span {
  readonly kind: 'assign';
  readonly targets: readonly Expr[];
  /** Undefined for a bare annotation such as `x: int`. */
  readonly value?: Expr;
  readonly annotation?: string;
}

export interface AugmentedAssignStmt extends Span {
  readonly kind: 'augmented';
  readonly operator: string;
  readonly target: Expr;
  readonly value: Expr;
}

export interface IfStmt extends Span {
  readonly kind: 'if';
  readonly test: Expr;
  readonly body: readonly Stmt[];
  readonly otherwise: readonly Stmt[];
}

export interface ForStmt extends Span {
  readonly kind: 'for';
  readonly target: Expr;
  readonly iterable: Expr;
  readonly body: readonly Stmt[];
  readonly otherwise: readonly Stmt[];
}

export interface WhileStmt extends Span {
  readonly kind: 'while';
  readonly test: Expr;
  readonly body: readonly Stmt[];
  readonly otherwise: readonly Stmt[];
}

export interface TryStmt extends Span {
  readonly kind: 'try';
  readonly body: readonly Stmt[];
  readonly handlers: readonly { readonly name?: string; readonly body: readonly Stmt[] }[];
  readonly otherwise: readonly Stmt[];
  readonly final: readonly Stmt[];
}

export interface WithStmt extends Span {
  readonly kind: 'with';
  readonly items: readonly { readonly value: Expr; readonly target?: Expr }[];
  readonly body: readonly Stmt[];
}

export interface FunctionStmt extends Span {
  readonly kind: 'function';
  readonly name: string;
  readonly params: readonly Parameter[];
  readonly decorators: readonly Expr[];
  readonly body: readonly Stmt[];
  /** The body contains `yield` outside nested functions. */
  readonly isGenerator: boolean;
}

export interface ClassStmt extends Span {
  readonly kind: 'class';
  readonly name: string;
  readonly bases: readonly Expr[];
  readonly decorators: readonly Expr[];
  readonly body: readonly Stmt[];
}

export interface ReturnStmt extends Span {
  readonly kind: 'return';
  readonly value?: Expr;
}

export interface JumpStmt extends Span {
  readonly kind: 'jump';
  readonly form: 'raise' | 'break' | 'continue' | 'pass';
  readonly value?: Expr;
}

/** `module` is undefined for a plain `import`; relative imports keep their dots. `name: '*'` is a star import. */
export interface ImportStmt extends Span {
  readonly kind: 'import';
  readonly module?: string;
  readonly names: readonly { readonly name: string; readonly alias?: string }[];
}

export interface ScopeStmt extends Span {
  readonly kind: 'scope';
  readonly form: 'global' | 'nonlocal';
  readonly names: readonly string[];
}

export interface DeleteStmt extends Span {
  readonly kind: 'delete';
  readonly targets: readonly Expr[];
}

export interface MatchStmt extends Span {
  readonly kind: 'match';
  readonly subject: Expr;
  readonly cases: readonly (readonly Stmt[])[];
}

/** Code that does not parse (yet). The names it assigns lose what was known about them; whole statements inside still count. */
export interface BrokenStmt extends Span {
  readonly kind: 'broken';
  readonly names: readonly string[];
  readonly body: readonly Stmt[];
}
