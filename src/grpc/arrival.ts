import { constants, type ServerHttp2Stream } from 'node:http2';
import { Duplex } from 'node:stream';
import { AppError } from '../common/errors.ts';
import type { Config } from '../config.ts';
import type { ByteBudget, Reservation } from '../serving/byte-budget.ts';

/** Bytes before a message: whether it is compressed, and its length. */
const PREFIX_BYTES = 5;
/** Bytes that must arrive within a stall timeout, as in HTTP. */
const MIN_PROGRESS_BYTES = 16 * 1024;

/** Limits of one message. */
export interface ArrivalLimits extends Pick<Config, 'maxBodyBytes' | 'requestTimeoutMs' | 'stallTimeoutMs'> {
  /** Memory that messages take until their calls are answered. */
  readonly budget: Pick<ByteBudget, 'reserve'>;
}

/**
 * The memory of a message, from its first bytes until its call is over. The library of gRPC hands over whole messages,
 * so the stream is watched beside it: the length that precedes a message is admitted before the message is received.
 */
export class Arrival {
  readonly #limits: ArrivalLimits;
  readonly #refuse: (error: AppError) => void;
  readonly #stream: ServerHttp2Stream | undefined;
  readonly #reservation: Reservation;
  #reserved = 0;
  #prefix = Buffer.alloc(0);
  #received = 0;
  #deadline: NodeJS.Timeout | undefined;
  #stall: NodeJS.Timeout | undefined;

  /**
   * @param call of the library; without its stream, a message is admitted when it is whole
   * @param refuse ends the call with an error; called at most once
   */
  constructor(call: object, limits: ArrivalLimits, refuse: (error: AppError) => void) {
    this.#limits = limits;
    this.#refuse = refuse;
    this.#reservation = limits.budget.reserve(0);
    this.#stream = http2StreamOf(call);
    // Before the library sees the bytes, so that no message is collected which is refused.
    this.#stream?.prependListener('data', this.#count);
    this.#stream?.once('close', () => this.#reservation.release());
    this.#watch();
  }

  /** Bytes that have come, or undefined where they cannot be counted. */
  get receivedBytes(): number | undefined {
    return this.#stream === undefined ? undefined : this.#received;
  }

  /** The message has come, decompressed. @throws AppError `queue_full` */
  complete(bytes: number): void {
    this.#stop();
    if (bytes <= this.#reserved) return;
    this.#reservation.add(bytes - this.#reserved);
    this.#reserved = bytes;
  }

  /** The call has been answered, or ended otherwise. A client that does not read its answer is cut off. */
  end(): void {
    this.#stop();
    const stream = this.#stream;
    if (stream === undefined) this.#reservation.release();
    stream?.setTimeout(this.#limits.stallTimeoutMs, () => stream.close(constants.NGHTTP2_CANCEL));
  }

  #watch(): void {
    const { requestTimeoutMs, stallTimeoutMs } = this.#limits;
    this.#deadline = setTimeout(() => {
      this.#end(tooSlow(`The message did not arrive in ${requestTimeoutMs} ms`, requestTimeoutMs));
    }, requestTimeoutMs);
    let before = 0;
    this.#stall = setInterval(() => {
      const progress = this.#received - before;
      before = this.#received;
      if (progress >= MIN_PROGRESS_BYTES || this.#stream === undefined) return;
      this.#end(tooSlow(`${progress} bytes of the message arrived in the last ${stallTimeoutMs} ms`, stallTimeoutMs));
    }, stallTimeoutMs);
  }

  readonly #count = (chunk: Buffer): void => {
    this.#received += chunk.length;
    if (this.#prefix.length === PREFIX_BYTES) return;
    this.#prefix = Buffer.concat([this.#prefix, chunk.subarray(0, PREFIX_BYTES - this.#prefix.length)]);
    if (this.#prefix.length < PREFIX_BYTES) return;
    const length = this.#prefix.readUInt32BE(1);
    const { maxBodyBytes } = this.#limits;
    try {
      if (length > maxBodyBytes) throw tooLarge(length, maxBodyBytes);
      this.#reservation.add(length);
      this.#reserved = length;
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      this.#end(thrown);
    }
  };

  #end(error: AppError): void {
    this.#stop();
    this.#refuse(error);
    // Tells the client that the rest of the message is not wanted, once it has the answer.
    this.#stream?.close(constants.NGHTTP2_NO_ERROR);
  }

  #stop(): void {
    clearTimeout(this.#deadline);
    clearInterval(this.#stall);
    this.#stream?.off('data', this.#count);
  }
}

/** The stream of a call of the library, which has it in a private field; undefined where it has none. */
export function http2StreamOf(call: object): ServerHttp2Stream | undefined {
  return 'stream' in call && isHttp2Stream(call.stream) ? call.stream : undefined;
}

function isHttp2Stream(value: unknown): value is ServerHttp2Stream {
  return value instanceof Duplex && 'setTimeout' in value && 'rstCode' in value;
}

function tooLarge(bytes: number, maxBytes: number): AppError {
  return new AppError('body_too_large', `The message has ${bytes} bytes; the limit is ${maxBytes}.`, {
    context: { max_bytes: maxBytes },
  });
}

function tooSlow(what: string, timeoutMs: number): AppError {
  return new AppError('request_timeout', `${what}; send it faster or smaller.`, { context: { timeout_ms: timeoutMs } });
}
