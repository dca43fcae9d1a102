interface Entry<T> {
  readonly key: number;
  readonly value: T;
}

/** A priority queue: the value with the least key comes first. */
export class Heap<T> {
  readonly #entries: Entry<T>[] = [];

  get size(): number {
    return this.#entries.length;
  }

  /** The least key; infinite when there is none. */
  get leastKey(): number {
    return this.#entries[0]?.key ?? Number.POSITIVE_INFINITY;
  }

  add(key: number, value: T): void {
    const entries = this.#entries;
    const added = { key, value };
    let place = entries.length;
    entries.push(added);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = entries[parent];
      if (above === undefined || above.key <= key) break;
      entries[place] = above;
      place = parent;
    }
    entries[place] = added;
  }

  /** Removes and returns the value with the least key. @throws Error when there is none */
  take(): T {
    const entries = this.#entries;
    const [least] = entries;
    const last = entries.pop();
    if (least === undefined || last === undefined) throw new Error('the heap is empty');
    if (entries.length > 0) this.#sink(last);
    return least.value;
  }

  #sink(entry: Entry<T>): void {
    const entries = this.#entries;
    let place = 0;
    for (;;) {
      const [left, right] = [entries[2 * place + 1], entries[2 * place + 2]];
      const isRight = left !== undefined && right !== undefined && right.key < left.key;
      const smaller = isRight ? right : left;
      if (smaller === undefined || smaller.key >= entry.key) break;
      entries[place] = smaller;
      place = 2 * place + (isRight ? 2 : 1);
    }
    entries[place] = entry;
  }
}
