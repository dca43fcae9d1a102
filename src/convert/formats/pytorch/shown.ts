const MAX_SHOWN = 60;

/**
 * A value of a pickle for an error message. Containers are only named: they may hold themselves, or each other so often
 * that no text of them ends.
 */
export function shown(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, MAX_SHOWN);
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  return String(value);
}
