/** Numbers by what they may be, for documents whose JSON Schema is made from their types; `isAmount` and `isCount` are the same for a reader. */

/**
 * A number of 0 or more.
 * @minimum 0
 */
export type Amount = number;

/**
 * A whole number of 0 or more.
 * @asType integer
 * @minimum 0
 */
export type Count = number;
