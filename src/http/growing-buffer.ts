/** Below this many bytes the chunks are kept as they are. */
const SMALL_BYTES = 1024 * 1024;
/** Step in which the block grows. */
const STEP_BYTES = 4 * 1024 * 1024;

/**
 * Collects the bytes of a body whose length is not known. Many bytes are copied into one block that grows in place:
 * thousands of chunks that live together leave a fragmented heap, which is never given back to the system (1.4 GB
 * after six bodies of 95 MB), and joining them takes as much memory again.
 */
export class GrowingBuffer {
  readonly #maxBytes: number;
  #chunks: Buffer[] = [];
  #length = 0;
  #block: ArrayBuffer | undefined;

  /** @param maxBytes the most bytes that are appended, beyond the last chunk */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  append(chunk: Buffer): void {
    if (this.#block === undefined) {
      this.#chunks.push(chunk);
      this.#length += chunk.length;
      if (this.#length > SMALL_BYTES) this.#startBlock();
    } else {
      this.#write(this.#block, chunk);
    }
  }

  /** All bytes, in memory of their own. Nothing is appended afterwards. */
  bytes(): Buffer {
    if (this.#block === undefined) return Buffer.concat(this.#chunks);
    this.#block.resize(this.#length);
    return Buffer.from(this.#block, 0, this.#length);
  }

  /** Gives the memory back at once, rather than at the next garbage collection. */
  discard(): void {
    this.#chunks = [];
    this.#block?.resize(0);
  }

  #startBlock(): void {
    const chunks = this.#chunks;
    this.#chunks = [];
    // Address space only: memory is taken as the block grows.
    this.#block = new ArrayBuffer(0, { maxByteLength: Math.max(this.#maxBytes, this.#length) + STEP_BYTES });
    this.#length = 0;
    for (const chunk of chunks) this.#write(this.#block, chunk);
  }

  #write(block: ArrayBuffer, chunk: Buffer): void {
    const end = this.#length + chunk.length;
    if (end > block.byteLength)
      block.resize(Math.min(block.maxByteLength, Math.max(end, block.byteLength + STEP_BYTES)));
    chunk.copy(new Uint8Array(block), this.#length);
    this.#length = end;
  }
}
