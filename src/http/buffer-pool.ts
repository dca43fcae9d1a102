/** Buffers are made in powers of two from this size, so that one serves many photos. */
const SMALLEST_BYTES = 64 * 1024;
/** Larger bodies are rare and not worth keeping memory for. */
export const LARGEST_POOLED_BYTES = 2 * 1024 * 1024;
/** Limit of idle memory: enough for a hundred photos that are decoded at once. */
const MAX_IDLE_BYTES = 32 * 1024 * 1024;

/** Memory lent by a pool. */
export interface LentBuffer {
  /** Of the requested length; the content is left over from earlier use. */
  readonly bytes: Buffer;
  /** Gives the memory back; `bytes` must not be used any more. */
  release(): void;
}

/**
 * Reuses memory for bodies. Buffers that live as long as an image waits outlive the young generation of the garbage
 * collector, and V8 then marks the whole heap every 64 MB of them: a sixth of the HTTP thread's time under load.
 */
export class BufferPool {
  readonly #idle = new Map<number, Buffer[]>();
  #idleBytes = 0;

  /** @param length bytes, at most `LARGEST_POOLED_BYTES` */
  take(length: number): LentBuffer {
    const size = Math.max(SMALLEST_BYTES, 2 ** Math.ceil(Math.log2(length)));
    const idle = this.#idle.get(size)?.pop();
    if (idle !== undefined) this.#idleBytes -= size;
    let whole: Buffer | undefined = idle ?? Buffer.allocUnsafeSlow(size);
    const bytes = whole.subarray(0, length);
    return {
      bytes,
      release: () => {
        if (whole !== undefined) this.#keep(whole);
        whole = undefined;
      },
    };
  }

  #keep(buffer: Buffer): void {
    if (this.#idleBytes + buffer.length > MAX_IDLE_BYTES) return;
    this.#idleBytes += buffer.length;
    const sameSize = this.#idle.get(buffer.length);
    if (sameSize === undefined) this.#idle.set(buffer.length, [buffer]);
    else sameSize.push(buffer);
  }
}
