/** A share as a percentage with one decimal, such as `93.2%`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}
