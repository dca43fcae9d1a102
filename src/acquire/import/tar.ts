/** A file of a tar; its content must be read, or left, before the next one is asked for. */
interface TarFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly content: AsyncIterable<Uint8Array>;
}

const BLOCK = 512;
/** Names beyond 100 characters stand in an entry of their own, in one of two ways. */
const MAX_LONG_NAME_BYTES = 100_000;

/** The regular files of a tar, as POSIX and GNU write it. @throws Error when it is damaged or cut off */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarFile> {
  const bytes = new ByteQueue(source);
  let longName: string | undefined;
  for (;;) {
    const header = await bytes.take(BLOCK);
    // Two blocks of zeros, or just the end.
    if (header === undefined || header.every((byte) => byte === 0)) return;
    expectChecksum(header);
    const size = sizeOf(header);
    const type = String.fromCharCode(header[156] ?? 0);
    const padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (type === 'x' || type === 'L') {
      if (size > MAX_LONG_NAME_BYTES) throw new Error(`a name of the tar takes ${size} bytes`);
      const content = Buffer.from((await bytes.take(size)) ?? []).toString('utf8');
      longName = type === 'L' ? content.replace(/\0.*$/s, '') : (/^\d+ path=(.*)$/m.exec(content)?.[1] ?? longName);
      await bytes.skip(padding);
      continue;
    }
    const content = new Content(bytes, size);
    if (type === '0' || type === '\0') yield { name: longName ?? nameOf(header), size, content };
    await content.leave();
    await bytes.skip(padding);
    if (type !== 'g') longName = undefined;
  }
}

class Content implements AsyncIterable<Uint8Array> {
  readonly #bytes: ByteQueue;
  #left: number;

  constructor(bytes: ByteQueue, size: number) {
    this.#bytes = bytes;
    this.#left = size;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    while (this.#left > 0) {
      const chunk = await this.#bytes.takeUpTo(this.#left);
      this.#left -= chunk.length;
      yield chunk;
    }
  }

  async leave(): Promise<void> {
    await this.#bytes.skip(this.#left);
    this.#left = 0;
  }
}

/** A stream of chunks as bytes to take. */
class ByteQueue {
  readonly #source: AsyncIterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Exactly so many; undefined when the stream is at its end. */
  async take(length: number): Promise<Uint8Array | undefined> {
    const parts: Uint8Array[] = [];
    let left = length;
    while (left > 0) {
      if (this.#chunk.length === 0 && !(await this.#next())) {
        if (parts.length === 0) return undefined;
        throw new Error('the tar is cut off');
      }
      const part = this.#chunk.subarray(0, left);
      this.#chunk = this.#chunk.subarray(part.length);
      parts.push(part);
      left -= part.length;
    }
    return Buffer.concat(parts);
  }

  /** What is at hand of so many. */
  async takeUpTo(length: number): Promise<Uint8Array> {
    if (this.#chunk.length === 0 && !(await this.#next())) throw new Error('the tar is cut off');
    const part = this.#chunk.subarray(0, length);
    this.#chunk = this.#chunk.subarray(part.length);
    return part;
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) left -= (await this.takeUpTo(left)).length;
  }

  async #next(): Promise<boolean> {
    const { value, done } = await this.#source.next();
    if (done === true) return false;
    this.#chunk = value;
    return value.length > 0 || (await this.#next());
  }
}

function nameOf(header: Uint8Array): string {
  const [name, prefix] = [text(header, 0, 100), text(header, 345, 500)];
  const isPosix = text(header, 257, 262) === 'ustar';
  return isPosix && prefix !== '' ? `${prefix}/${name}` : name;
}

/** In octal digits; beyond 8 GB in binary, with the first bit set. */
function sizeOf(header: Uint8Array): number {
  if (((header[124] ?? 0) & 0x80) !== 0) throw new Error('a file of the tar is of more than 8 GB');
  const size = Number.parseInt(text(header, 124, 136).trim() || '0', 8);
  if (!Number.isSafeInteger(size) || size < 0) throw new Error('a size of the tar is no number');
  return size;
}

/** The sum of all bytes, with its own eight counted as spaces. */
function expectChecksum(header: Uint8Array): void {
  const sum = header.reduce((total, byte, index) => total + (index >= 148 && index < 156 ? 32 : byte), 0);
  if (Number.parseInt(text(header, 148, 156).trim(), 8) !== sum) throw new Error('it is no tar, or it is damaged');
}

function text(header: Uint8Array, begin: number, end: number): string {
  return Buffer.from(header.subarray(begin, end)).toString('utf8').replace(/\0.*$/s, '');
}
