/** A request to the server under test; a function of kind, seed and number alone. */
export interface FuzzInput {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** One element of a list that is not empty. */
export function pick<T>(items: readonly T[], random: { below(limit: number): number }): T {
  const item = items[random.below(items.length)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}
