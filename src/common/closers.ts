/** How everything is closed that was opened together: what was opened last comes first. */
export class Closers {
  readonly #closers: (() => unknown)[] = [];

  /** @param close closes what has just been opened; may return a promise */
  add(close: () => unknown): void {
    this.#closers.push(close);
  }

  /** Closes everything, each once, also when some of it cannot be closed. @throws why the first of that could not */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (thrown) {
        failures.push(thrown);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}

/**
 * Opens several things one after the other. When one of them cannot be opened, those before it are closed: a program that
 * goes on would not end as long as their connections and processes are there.
 * @throws what `open` throws
 */
export async function closingOnFailure<T>(open: (closers: Closers) => Promise<T>): Promise<T> {
  const closers = new Closers();
  try {
    return await open(closers);
  } catch (thrown) {
    // What could not be opened explains more than what could not be closed then.
    await closers.close().catch(() => undefined);
    throw thrown;
  }
}
