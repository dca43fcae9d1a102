/**
 * Wakes waiters after a change. Read `count`, then the state, and wait with `after(count)`: no change in between is
 * missed.
 */
export class ChangeNotifier {
  #count = 0;
  readonly #waiters = new Set<() => void>();

  get count(): number {
    return this.#count;
  }

  fire(): void {
    this.#count += 1;
    for (const wake of [...this.#waiters]) wake();
  }

  /** Resolves once it has fired more often than `count` times, or when `signal` fires. */
  async after(count: number, signal?: AbortSignal): Promise<void> {
    if (this.#count > count || signal?.aborted) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiters.delete(wake);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal?.addEventListener('abort', wake);
    });
  }
}
