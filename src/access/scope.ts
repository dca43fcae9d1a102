/**
 * What a key may do. Each scope includes those before it: `classify` computes answers and reads the list of models,
 * `teach` trains, promotes and downloads models and sees what they were trained on, `admin` pulls, loads and removes
 * models and reads the metrics.
 */
export const SCOPES = ['classify', 'teach', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

/** Whether who has one scope may do what needs another. */
export function includesScope(held: Scope, needed: Scope): boolean {
  return SCOPES.indexOf(held) >= SCOPES.indexOf(needed);
}
